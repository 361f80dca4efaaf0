#include "asr/whisper/language_choice.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <string_view>

#include "asr/languages.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic::whisper {
namespace {

/// Detection is right of more seconds than that; of less it is sure of neighbours, and of less than three of anything.
constexpr Seconds kShort(6);
constexpr Seconds kMoment(3);

/// So many times as probable is the language that takes the place of the one before.
double takes_over(Seconds length) {
    return length < kMoment ? 100 : 5;
}

bool is_allowed(const TranscribeOptions& options, std::string_view code) {
    return options.languages.empty() ||
           std::ranges::any_of(options.languages, [&](const auto& each) { return language_code(each) == code; });
}

}  // namespace

LanguageChoice choose_language(std::span<const LanguageLogit> logits, Seconds length,
                               const TranscribeOptions& options) {
    const LanguageLogit* best = nullptr;
    const LanguageLogit* before = nullptr;
    for (const auto& each : logits) {
        if (!is_allowed(options, each.code)) continue;
        if (best == nullptr || each.logit > best->logit) best = &each;
        if (each.code == options.language_before) before = &each;
    }
    if (best == nullptr) return {};
    const double most = best->logit;
    double sum = 0;
    for (const auto& each : logits)
        if (is_allowed(options, each.code)) sum += std::exp(each.logit - most);
    if (before != nullptr && length < kShort && most - before->logit < std::log(takes_over(length))) best = before;
    return {std::string(best->code), std::exp(best->logit - most) / sum};
}

}  // namespace hotmic::whisper
