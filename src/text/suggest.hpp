/// "Did you mean": the nearest of the names there are.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hotmic {

/// Fewest insertions, deletions and replacements of one character that make `b` of `a`.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate that `wrong` was most likely meant to be, if any is close: names that differ in a few letters, or the
/// right last part in another section ("port" for "server.port").
[[nodiscard]] std::optional<std::string> closest(std::string_view wrong, std::span<const std::string> candidates);

}  // namespace hotmic
