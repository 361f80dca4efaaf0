#include "asr/providers/onnx/whisper/gates.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "asr/compression_ratio.hpp"
#include "asr/providers/onnx/whisper/search.hpp"
#include "asr/providers/onnx/whisper/vocabulary.hpp"

namespace hotmic::onnx {
namespace {

constexpr double kMostCompression = 2.4;
constexpr double kLeastLogprob = -1.0;
constexpr std::size_t kShortestPattern = 3;
constexpr std::size_t kLongestPattern = 8;
/// Times in a row that a pattern comes: a model that loops does not stop at four.
constexpr std::size_t kLoop = 4;

/// Some pattern of tokens comes `times` times without a pause.
bool repeats(const std::vector<Token>& tokens, std::size_t shortest, std::size_t times) {
    for (auto length = shortest; length <= kLongestPattern; ++length) {
        std::size_t same = 0;  // tokens in a row that are what came `length` before
        for (std::size_t i = length; i < tokens.size(); ++i) {
            same = tokens[i] == tokens[i - length] ? same + 1 : 0;
            if (same >= length * (times - 1)) return true;
        }
    }
    return false;
}

}  // namespace

std::string_view to_string(Doubt doubt) noexcept {
    switch (doubt) {
        case Doubt::none:
            return "none";
        case Doubt::repetition:
            return "repetition";
        case Doubt::compression:
            return "compression";
        case Doubt::low_probability:
            return "low_probability";
        case Doubt::no_end:
            return "no_end";
    }
    return "none";
}

void cut_loop(Hypothesis& hypothesis) {
    auto& tokens = hypothesis.tokens;
    for (std::size_t begin = 0; begin < tokens.size(); ++begin) {
        for (std::size_t length = 1; begin + kLoop * length <= tokens.size() && length <= kLongestPattern; ++length) {
            std::size_t same = 0;
            while (begin + length + same < tokens.size() && tokens[begin + length + same] == tokens[begin + same])
                ++same;
            if (same < length * (kLoop - 1)) continue;
            tokens.resize(begin + length);
            hypothesis.logprobs.resize(tokens.size());
            return;
        }
    }
}

Doubt doubt_of(const Hypothesis& hypothesis, const Vocabulary& vocabulary, Window window) {
    if (!hypothesis.ended) return Doubt::no_end;
    std::vector<Token> spoken;
    std::string text;
    for (const Token token : hypothesis.tokens) {
        if (!vocabulary.is_text(token)) continue;
        spoken.push_back(token);
        text += vocabulary.text_of(token);
    }
    const bool loops = window == Window::shortened
                           ? repeats(spoken, kShortestPattern, 2)
                           : repeats(spoken, kShortestPattern, kLoop) || repeats(spoken, 1, 2 * kLoop);
    if (loops) return Doubt::repetition;
    if (compression_ratio(text) > kMostCompression) return Doubt::compression;
    if (hypothesis.avg_logprob() < kLeastLogprob) return Doubt::low_probability;
    return Doubt::none;
}

}  // namespace hotmic::onnx
