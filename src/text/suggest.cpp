#include "text/suggest.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hotmic {
namespace {

std::string_view last_part(std::string_view path) {
    const auto dot = path.rfind('.');
    return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const auto replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row[b.size()];
}

std::optional<std::string> closest(std::string_view wrong, std::span<const std::string> candidates) {
    std::optional<std::string> best;
    std::size_t best_distance = 0;
    const auto consider = [&](const std::string& candidate, std::size_t distance, std::size_t length) {
        const auto tolerated = std::max<std::size_t>(2, length / 4);
        if (distance > tolerated || (best && distance >= best_distance)) return;
        best = candidate;
        best_distance = distance;
    };
    for (const auto& candidate : candidates) {
        consider(candidate, edit_distance(wrong, candidate), last_part(wrong).size());
        // In another section: worth a little less than a slip of the fingers in the right one.
        if (last_part(wrong).size() > 2) {
            consider(candidate, edit_distance(last_part(wrong), last_part(candidate)) + 1, last_part(wrong).size());
        }
    }
    return best;
}

}  // namespace hotmic
