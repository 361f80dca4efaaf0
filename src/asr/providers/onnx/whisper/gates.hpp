/// Whether an answer is credible: what a model does wrong when it has lost its way shows in the answer itself.
#pragma once

#include <cstdint>
#include <string_view>

#include "asr/providers/onnx/whisper/search.hpp"
#include "asr/providers/onnx/whisper/vocabulary.hpp"

namespace hotmic::onnx {

enum class Doubt : std::uint8_t {
    none,
    repetition,       ///< the same few tokens again and again
    compression,      ///< text that zlib makes much smaller (openai/whisper: compression_ratio_threshold 2.4)
    low_probability,  ///< the mean log probability is below -1
    no_end,           ///< as many tokens as so much audio may have, and still no end
};

/// The name in metrics and logs.
[[nodiscard]] std::string_view to_string(Doubt doubt) noexcept;

/// How strict to be: in a window shorter than the model was trained for, a doubt costs a second decoding of the full
/// window; there, a repetition may be what was said.
enum class Window : std::uint8_t { shortened, full };

[[nodiscard]] Doubt doubt_of(const Hypothesis& hypothesis, const Vocabulary& vocabulary, Window window);

/// Where a pattern of tokens comes again and again without a pause, its first time is kept, and nothing behind it.
void cut_loop(Hypothesis& hypothesis);

}  // namespace hotmic::onnx
