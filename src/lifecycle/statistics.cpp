#include <algorithm>
#include <cctype>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotmic/units.hpp"
#include "lifecycle/warmup_runner.hpp"

namespace hotmic {
namespace {

std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words(1);
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (std::isalnum(byte) != 0 || byte >= 0x80 || c == '\'') {
            words.back() += static_cast<char>(std::tolower(byte));
        } else if (!words.back().empty()) {
            words.emplace_back();
        }
    }
    if (words.back().empty()) words.pop_back();
    return words;
}

Seconds median_deviation(const std::vector<Seconds>& values, Seconds median) {
    std::vector<Seconds> deviations;
    deviations.reserve(values.size());
    for (const auto value : values) deviations.push_back(std::chrono::abs(value - median));
    return quantile(deviations, 0.5);
}

}  // namespace

double word_error_rate(std::string_view said, std::string_view heard) {
    const auto reference = words_of(said);
    const auto hypothesis = words_of(heard);
    if (reference.empty()) return hypothesis.empty() ? 0.0 : 1.0;
    // Levenshtein distance over words, one row at a time.
    std::vector<std::size_t> row(hypothesis.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= reference.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j < row.size(); ++j) {
            const std::size_t substituted = diagonal + (reference[i - 1] == hypothesis[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
        }
    }
    return static_cast<double>(row.back()) / static_cast<double>(reference.size());
}

double quantile(std::vector<double> values, double q) {
    if (values.empty()) return 0;
    std::ranges::sort(values);
    const double position = q * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(position);
    const auto above = std::min(below + 1, values.size() - 1);
    return std::lerp(values[below], values[above], position - static_cast<double>(below));
}

Seconds quantile(const std::vector<Seconds>& values, double q) {
    std::vector<double> counts;
    counts.reserve(values.size());
    for (const auto value : values) counts.push_back(value.count());
    return Seconds(quantile(std::move(counts), q));
}

bool has_converged(const std::vector<Seconds>& latencies, std::size_t window, double tolerance) {
    if (window == 0 || latencies.size() < 2 * window) return false;
    const auto step = static_cast<std::ptrdiff_t>(window);
    const std::vector<Seconds> earlier(latencies.end() - 2 * step, latencies.end() - step);
    const std::vector<Seconds> later(latencies.end() - step, latencies.end());
    const auto before = quantile(earlier, 0.5);
    const auto now = quantile(later, 0.5);
    return std::chrono::abs(now - before) <= tolerance * now && median_deviation(later, now) <= 2 * tolerance * now;
}

bool has_settled(const std::vector<Seconds>& latencies, double tolerance) {
    if (latencies.size() < 3) return false;
    const auto steady = quantile(std::vector(latencies.begin() + 1, latencies.end()), 0.5);
    if (latencies.front() <= (1 + tolerance) * steady) return true;
    const auto [least, most] = std::minmax_element(latencies.end() - 3, latencies.end());
    return (latencies.size() > 3 && *most <= (1 + tolerance) * *least) || has_converged(latencies, 3, tolerance);
}

}  // namespace hotmic
