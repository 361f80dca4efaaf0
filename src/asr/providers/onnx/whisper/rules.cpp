#include "asr/providers/onnx/whisper/rules.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

#include "asr/providers/onnx/whisper/vocabulary.hpp"

namespace hotmic::onnx {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
/// The first timestamp is at most 1 s.
constexpr Token kMostInitial = 50;
/// What is so far below the largest adds nothing that a float could hold.
constexpr float kNegligible = 20;

void strike(std::span<float> logits, Token from, Token to) {
    const auto begin = static_cast<std::size_t>(std::max<Token>(from, 0));
    const auto end = std::min(logits.size(), static_cast<std::size_t>(std::max<Token>(to, 0)));
    if (begin < end) std::ranges::fill(logits.subspan(begin, end - begin), kNever);
}

}  // namespace

double log_sum_exp(std::span<const float> logits) {
    const float most = std::ranges::max(logits);
    if (!(most > kNever)) return -std::numeric_limits<double>::infinity();
    double sum = 0;
    for (const float logit : logits)
        if (logit > most - kNegligible) sum += std::exp(static_cast<double>(logit - most));
    return most + std::log(sum);
}

Token best_of(std::span<const float> logits) {
    return static_cast<Token>(std::ranges::max_element(logits) - logits.begin());
}

void TokenRules::apply(std::span<float> logits, std::span<const Token> decoded, double seconds,
                       bool audio_events) const {
    const auto& special = vocabulary_.special();
    const auto size = static_cast<Token>(logits.size());
    const auto strike_one = [&](Token token) { strike(logits, token, token + 1); };
    if (!audio_events)
        for (const Token token : suppressed_) strike_one(token);
    if (decoded.empty())
        for (const Token token : suppressed_at_begin_) strike_one(token);
    strike_one(special.no_timestamps);
    // Tokens that steer, and languages, are no text, whatever a model's list says.
    strike(logits, special.start, special.first_timestamp);

    const Token first = special.first_timestamp;
    const auto is_time = [&](std::size_t from_end) {
        return decoded.size() >= from_end && vocabulary_.is_timestamp(decoded[decoded.size() - from_end]);
    };
    // Timestamps come in pairs, but for the one that begins the window.
    if (is_time(1)) {
        if (decoded.size() < 2 || is_time(2))
            strike(logits, first, size);
        else
            strike(logits, 0, special.end_of_text);
    }
    // They never go back, and a segment has a length.
    Token latest = -1;
    for (const Token token : decoded)
        if (vocabulary_.is_timestamp(token)) latest = token;
    if (latest >= 0) strike(logits, first, is_time(1) && !is_time(2) && decoded.size() >= 2 ? latest : latest + 1);
    const auto end = first + static_cast<Token>(std::ceil(seconds / kTimestampStep));
    strike(logits, end + 1, size);
    if (decoded.empty()) {
        strike(logits, 0, first);
        strike(logits, first + kMostInitial + 1, size);
    }
    // Where all timestamps together are likelier than any text, one of them follows.
    if (first < size) {
        const auto times = logits.subspan(static_cast<std::size_t>(first));
        const auto text = logits.first(static_cast<std::size_t>(first));
        if (log_sum_exp(times) > std::ranges::max(text)) strike(logits, 0, first);
    }
}

}  // namespace hotmic::onnx
