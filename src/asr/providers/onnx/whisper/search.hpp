/// Finds the tokens of one window: greedily, by sampling, or by beam search.
#pragma once

#include <cstddef>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/whisper/decoder.hpp"
#include "asr/providers/onnx/whisper/rules.hpp"
#include "asr/providers/onnx/whisper/vocabulary.hpp"

namespace hotmic::onnx {

struct Hypothesis {
    std::vector<Token> tokens;    ///< without those that steer and without the end
    std::vector<float> logprobs;  ///< one for each token
    int drafted = 0;              ///< how many of them are the draft's
    bool ended = false;           ///< the model came to an end by itself
    double sum_logprob = 0;       ///< the end's included
    double temperature = 0;

    /// As the original has it.
    [[nodiscard]] double avg_logprob() const { return sum_logprob / static_cast<double>(tokens.size() + 1); }
};

struct SearchOptions {
    double temperature = 0;  ///< 0: the likeliest token each time
    int candidates = 1;      ///< sampled beside each other, with a temperature
    int beam = 1;            ///< with temperature 0
    int most_tokens = 224;
    double seconds = 30;        ///< length of the window: no timestamp is later
    bool audio_events = false;  ///< see TokenRules
    /// Looked at together: as many are taken as would have been found one by one. Without a beam, at temperature 0.
    std::span<const Token> draft{};
};

/// The state of a slot after what steers has been fed, and how to go on.
class Search {
public:
    Search(DecoderState& state, const TokenRules& rules, Token end_of_text, std::mt19937& random)
        : state_(state), rules_(rules), end_(end_of_text), random_(random) {}

    /// `first`: the logits that follow what was fed. Throws.
    [[nodiscard]] Hypothesis run(std::span<const float> first, const SearchOptions& options, const CancellableRun& run);

private:
    struct Row {
        Hypothesis hypothesis;
        bool done = false;
    };
    struct Candidate {
        std::size_t row;
        Token token;
        float logprob;
        double sum;
    };
    [[nodiscard]] Hypothesis side_by_side(std::span<const float> first, const SearchOptions& options,
                                          const CancellableRun& run);
    [[nodiscard]] Hypothesis beam(std::span<const float> first, const SearchOptions& options,
                                  const CancellableRun& run);
    [[nodiscard]] std::vector<Token> likeliest(std::size_t count) const;
    [[nodiscard]] Token choose(std::span<const float> logits, double temperature);

    DecoderState& state_;
    const TokenRules& rules_;
    const Token end_;
    std::mt19937& random_;
    std::vector<float> scratch_;
    std::vector<std::pair<Token, double>> weights_;  // of what may be drawn, each added to those before
};

}  // namespace hotmic::onnx
