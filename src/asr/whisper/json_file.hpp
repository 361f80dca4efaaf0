/// Small files of JSON and text beside a model's weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <glaze/json/generic.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "hotmic/error.hpp"

namespace hotmic::whisper {

/// At most so many tokens are believed.
inline constexpr std::size_t kLargestVocabulary = 60'000;

/// All of a file of at most 32 MB. `what` says what it holds, `remedy` how to get it. Errors: model_file_missing,
/// model_file_unreadable, model_corrupt.
[[nodiscard]] Result<std::string> whole_file(const std::filesystem::path& path, std::string_view what,
                                             std::string_view remedy);
/// The same as a JSON object.
[[nodiscard]] Result<glz::generic> json_file(const std::filesystem::path& path, std::string_view what,
                                             std::string_view remedy);

/// An integer of JSON within [0, most].
[[nodiscard]] std::optional<std::int32_t> whole_number(const glz::generic& value, double most = kLargestVocabulary);
/// Null: there is none of that name.
[[nodiscard]] const glz::generic* member(const glz::generic& object, std::string_view name);

}  // namespace hotmic::whisper
