#include "asr/keywords.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <format>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"
#include "text/trimmed.hpp"
#include "text/utf8.hpp"

namespace hotmic {
namespace {

constexpr double kMostBoost = 20;
constexpr std::ptrdiff_t kMostWords = 5;
constexpr std::string_view kAroundPhrases = " \t\r\n\"'";

std::vector<std::string_view> phrases_in(std::string_view text, std::string_view ends) {
    std::vector<std::string_view> phrases;
    while (!text.empty()) {
        const auto end = std::min(text.find_first_of(ends), text.size());
        if (const auto phrase = trimmed(text.substr(0, end), kAroundPhrases); !phrase.empty())
            phrases.push_back(phrase);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return phrases;
}

}  // namespace

Result<std::vector<Hotword>> parse_hotwords(std::string_view text, std::string_view field) {
    std::vector<Hotword> hotwords;
    for (const auto phrase : phrases_in(text, ",\n")) {
        const auto colon = phrase.rfind(':');
        Hotword hotword{.phrase = std::string(trimmed(phrase.substr(0, colon), kAroundPhrases))};
        if (colon != std::string_view::npos) {
            const auto number = trimmed(phrase.substr(colon + 1), kAroundPhrases);
            const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), hotword.boost);
            if (error != std::errc() || end != number.data() + number.size() || hotword.phrase.empty() ||
                !(hotword.boost > 0 && hotword.boost <= kMostBoost)) {
                return fail(
                    ErrorCode::invalid_request,
                    std::format("\"{}\" is no hot word with a boost", cut(valid_utf8(phrase), 80)),
                    std::format("write \"phrase\" or \"phrase:boost\", the boost over 0 and at most {:g}", kMostBoost),
                    std::string(field));
            }
        }
        hotwords.push_back(std::move(hotword));
    }
    return hotwords;
}

std::vector<Hotword> keywords_in(std::string_view prompt) {
    std::vector<Hotword> hotwords;
    for (auto phrase : phrases_in(prompt, ",;.:\n")) {
        const auto words = std::ranges::count(phrase, ' ') + 1;
        if (words <= kMostWords) hotwords.push_back({.phrase = std::string(phrase)});
    }
    return hotwords;
}

}  // namespace hotmic
