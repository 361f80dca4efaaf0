/// Language codes and their English names, as Whisper and OpenAI's API spell them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace hotmic {

/// "en" → "english"; the code itself when it is not known.
[[nodiscard]] std::string_view language_name(std::string_view code) noexcept;
/// The code of Whisper's language number `index`; empty where there is none.
[[nodiscard]] std::string_view language_code_at(std::size_t index) noexcept;
/// "german" or "de" → "de"; nothing when neither a code nor a name is known. Case-insensitive.
[[nodiscard]] std::optional<std::string_view> language_code(std::string_view code_or_name) noexcept;
/// The code of a locale: "en-US" → "en", "pt_BR" → "pt", "zh-CN" → "zh", "zh-yue" → "yue"; of what `language_code`
/// knows, that. Nothing where the language is not known.
[[nodiscard]] std::optional<std::string_view> language_of_locale(std::string_view locale) noexcept;
/// What a client calls a language: its code where it is known, by code, name or locale; else as it is ("auto", and what
/// only the model can judge).
[[nodiscard]] std::string asked_language(const std::string& named);
/// False for languages written without spaces between words (ISO 639-1 code).
[[nodiscard]] bool has_spaces(std::string_view code) noexcept;

}  // namespace hotmic
