#include "asr/providers/onnx/transducer/encoder.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "asr/providers/onnx/model_check.hpp"
#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/transducer/folder.hpp"

namespace hotmic::onnx {
namespace {

constexpr std::size_t kAlignment = 64;

Ort::Value tensor_over(std::byte* memory, std::size_t bytes, const std::vector<std::int64_t>& shape,
                       ONNXTensorElementDataType type) {
    return Ort::Value::CreateTensor(cpu_memory(), memory, bytes, shape.data(), shape.size(), type);
}

bool are_finite(std::span<const float> values) {
    return std::ranges::all_of(values, [](float value) { return std::isfinite(value); });
}

}  // namespace

bool takes_rows(const TransducerFolder& folder) {
    return !folder.encoder.facts.has_bytes && folder.encoder.facts.inputs[0].shape[0] < 0 &&
           std::ranges::all_of(folder.encoder_states, [](const CarriedState& state) { return state.axis.has_value(); });
}

StreamingEncoder::StreamingEncoder(Ort::Session session, const TransducerFolder& folder)
    : session_(std::move(session)),
      chunk_(static_cast<std::size_t>(folder.chunk)),
      bins_(static_cast<std::size_t>(folder.bins)),
      is_transposed_(folder.family == TransducerFamily::nemo),
      width_(static_cast<std::size_t>(folder.encoder_width)),
      takes_rows_(onnx::takes_rows(folder)) {
    const auto& facts = folder.encoder.facts;
    if (session_.GetInputCount() != facts.inputs.size() || session_.GetOutputCount() != facts.outputs.size())
        throw std::runtime_error("the encoder has other inputs and outputs than its file says");
    for (const auto& state : folder.encoder_states) {
        const auto bytes = state.bytes();
        const auto type =
            state.type == kOnnxInt64 ? ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 : ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
        states_.push_back({type, state.shape, state.axis.value_or(0), state_bytes_, bytes});
        state_bytes_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
    }
    for (const auto& input : facts.inputs) names_.push_back(input.name);
    for (const auto& output : facts.outputs) names_.push_back(output.name);
    for (const auto& name : names_) (inputs_.size() < facts.inputs.size() ? inputs_ : outputs_).push_back(name.c_str());
}

/// Between the rows' own states and one tensor of all of them.
void StreamingEncoder::interleave(const State& state, std::span<EncoderRow> rows, std::span<std::byte> all,
                                  bool gather) {
    std::size_t outer = 1;
    for (std::size_t at = 0; at < state.axis; ++at) outer *= static_cast<std::size_t>(state.shape[at]);
    const auto block = state.bytes / outer;
    for (std::size_t row = 0; row < rows.size(); ++row) {
        if (!gather && !rows[row].finite) continue;
        auto* own = rows[row].state->data() + state.offset;
        for (std::size_t at = 0; at < outer; ++at) {
            auto* const shared = all.data() + (at * rows.size() + row) * block;
            if (gather)
                std::memcpy(shared, own + at * block, block);
            else
                std::memcpy(own + at * block, shared, block);
        }
    }
}

std::vector<float> StreamingEncoder::features_of(std::span<const EncoderRow> rows) const {
    std::vector<float> features;
    features.reserve(rows.size() * chunk_ * bins_);
    for (const auto& row : rows) {
        if (!is_transposed_) {
            features.append_range(row.features);
            continue;
        }
        for (std::size_t bin = 0; bin < bins_; ++bin)
            for (std::size_t frame = 0; frame < chunk_; ++frame) features.push_back(row.features[frame * bins_ + bin]);
    }
    return features;
}

void StreamingEncoder::take_frames(const Ort::Value& output, std::span<EncoderRow> rows) const {
    const auto shape = output.GetTensorTypeAndShapeInfo().GetShape();
    const std::size_t width_at = is_transposed_ ? 1 : 2;
    if (shape.size() != 3 || shape[0] != static_cast<std::int64_t>(rows.size()) ||
        shape[width_at] != static_cast<std::int64_t>(width_))
        throw std::runtime_error("the encoder gave frames of another shape than its file says");
    const auto frames = static_cast<std::size_t>(shape[3 - width_at]);
    const std::span<const float> given(output.GetTensorData<float>(), rows.size() * frames * width_);
    for (std::size_t row = 0; row < rows.size(); ++row) {
        const auto own = given.subspan(row * frames * width_, frames * width_);
        auto& [values, count] = *rows[row].frames;
        count = frames;
        if (!is_transposed_) {
            values.assign(own.begin(), own.end());
        } else {
            values.resize(own.size());
            for (std::size_t frame = 0; frame < frames; ++frame)
                for (std::size_t at = 0; at < width_; ++at) values[frame * width_ + at] = own[at * frames + frame];
        }
        rows[row].finite = are_finite(values);
    }
}

void StreamingEncoder::run(std::span<EncoderRow> rows, const CancellableRun& run) const {
    const auto count = rows.size();
    const auto streams = static_cast<std::int64_t>(count);
    auto features = features_of(rows);
    std::array features_shape{streams, static_cast<std::int64_t>(chunk_), static_cast<std::int64_t>(bins_)};
    if (is_transposed_) std::swap(features_shape[1], features_shape[2]);
    std::vector<std::int64_t> lengths(count, static_cast<std::int64_t>(chunk_));
    // One alone need not be copied.
    std::vector<std::byte> together(count == 1 ? 0 : state_bytes_ * count);
    const std::span before(count == 1 ? *rows.front().state : together);
    EncoderState after(state_bytes_ * count);
    std::vector<Ort::Value> in;
    std::vector<Ort::Value> out;
    in.reserve(inputs_.size());
    out.reserve(outputs_.size());
    in.push_back(Ort::Value::CreateTensor<float>(cpu_memory(), features.data(), features.size(), features_shape.data(),
                                                 features_shape.size()));
    out.emplace_back(nullptr);
    if (is_transposed_) {
        in.push_back(Ort::Value::CreateTensor<std::int64_t>(cpu_memory(), lengths.data(), count, &streams, 1));
        out.emplace_back(nullptr);  // how many frames count: all, as sherpa-onnx takes them
    }
    for (const auto& state : states_) {
        auto shape = state.shape;
        shape[state.axis] *= streams;
        const auto offset = state.offset * count;
        if (count > 1) interleave(state, rows, before.subspan(offset, state.bytes * count), true);
        in.push_back(tensor_over(before.data() + offset, state.bytes * count, shape, state.type));
        out.push_back(tensor_over(after.data() + offset, state.bytes * count, shape, state.type));
    }
    session_.Run(run.options(), inputs_.data(), in.data(), in.size(), outputs_.data(), out.data(), out.size());
    take_frames(out[0], rows);
    if (count == 1) {
        if (rows.front().finite) rows.front().state->swap(after);
        return;
    }
    for (const auto& state : states_)
        interleave(state, rows, std::span(after).subspan(state.offset * count, state.bytes * count), false);
}

}  // namespace hotmic::onnx
