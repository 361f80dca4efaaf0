/// Which token may follow (openai/whisper, decoding.py: SuppressBlank, SuppressTokens, ApplyTimestampRules).
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "asr/providers/onnx/whisper/vocabulary.hpp"

namespace hotmic::onnx {

class TokenRules {
public:
    TokenRules(const Vocabulary& vocabulary, std::vector<Token> suppressed, std::vector<Token> suppressed_at_begin)
        : vocabulary_(vocabulary),
          suppressed_(std::move(suppressed)),
          suppressed_at_begin_(std::move(suppressed_at_begin)) {}

    /// Strikes out of `logits` (one for each token of the vocabulary) what must not follow `decoded`, the tokens of
    /// this window after those that steer. No timestamp may be later than `seconds`.
    /// `audio_events`: the tokens that only descriptions of sounds need may follow, too.
    void apply(std::span<float> logits, std::span<const Token> decoded, double seconds,
               bool audio_events = false) const;

private:
    const Vocabulary& vocabulary_;
    const std::vector<Token> suppressed_;
    const std::vector<Token> suppressed_at_begin_;
};

/// log Σ exp(logits).
[[nodiscard]] double log_sum_exp(std::span<const float> logits);

/// Index of the largest; the first of equals.
[[nodiscard]] Token best_of(std::span<const float> logits);

}  // namespace hotmic::onnx
