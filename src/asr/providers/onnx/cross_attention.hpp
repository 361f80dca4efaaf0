/// Cross-attention of Whisper's decoder as an operator of the runtime: the keys and values of the audio are held as
/// 16-bit floats, half of what the runtime's own operator reads for every token, and are shared by all rows.
#pragma once

#include <onnxruntime_cxx_api.h>

#include <cstddef>
#include <span>

#include "asr/providers/onnx/half_kernels.hpp"

namespace hotmic::onnx {

/// CrossAttention(queries, audio) → attended
///   queries   [batch, rows, width] floats, scaled by nothing
///   audio     [1, frames, 2 × width] 16-bit floats: the keys of a frame, then its values
///   attended  [batch, rows, width] floats: for each head softmax(q · k / 8) · v
/// The number of heads is width / 64.
inline constexpr const char* kCrossAttention = "CrossAttention";

/// The domain with the operator; it must outlive the session options it is added to.
[[nodiscard]] Ort::CustomOpDomain& our_operators();

/// Weights of one query over the frames: softmax(query · keys / 8). `keys`: the first key of the head; `stride`:
/// numbers between two frames.
void attention_weights(std::span<const float> query, const Half* keys, std::size_t stride, std::span<float> weights);

}  // namespace hotmic::onnx
