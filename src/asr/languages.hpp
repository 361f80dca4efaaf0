/// Language codes and their English names, as Whisper and OpenAI's API spell them.
#pragma once

#include <optional>
#include <string_view>

namespace hotmic {

/// "en" → "english"; the code itself when it is not known.
[[nodiscard]] std::string_view language_name(std::string_view code) noexcept;
/// "german" or "de" → "de"; nothing when neither a code nor a name is known. Case-insensitive.
[[nodiscard]] std::optional<std::string_view> language_code(std::string_view code_or_name) noexcept;
/// False for languages written without spaces between words (ISO 639-1 code).
[[nodiscard]] bool has_spaces(std::string_view code) noexcept;

}  // namespace hotmic
