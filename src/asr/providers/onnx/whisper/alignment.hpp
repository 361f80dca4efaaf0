/// When each token was said: dynamic time warping over what the decoder's aligned heads look at
/// (openai/whisper, timing.py, find_alignment).
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/whisper/decoder.hpp"
#include "asr/providers/onnx/whisper/encoder.hpp"
#include "asr/providers/onnx/whisper/vocabulary.hpp"
#include "hotmic/units.hpp"

namespace hotmic::onnx {

/// The best monotonic path through `cost` (rows × columns): for each row the first column it meets.
[[nodiscard]] std::vector<std::size_t> warp(std::span<const float> cost, std::size_t rows, std::size_t columns);

/// For each of `text` the second at which it begins, and as the last number the one at which all of it has been said.
/// Runs the decoder once over everything: `steering`, `text`, `end`. `length`: of the audio in the window. Throws.
[[nodiscard]] std::vector<Seconds> token_times(DecoderState& state, const EncodedAudio& audio, const Decoder& decoder,
                                               std::span<const std::pair<int, int>> heads,
                                               std::span<const Token> steering, std::span<const Token> text, Token end,
                                               Seconds length, const CancellableRun& run);

}  // namespace hotmic::onnx
