#include "asr/providers/onnx/whisper/encoder.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <format>
#include <string>
#include <utility>
#include <vector>

#include "asr/providers/onnx/graph_builder.hpp"
#include "asr/providers/onnx/half_kernels.hpp"
#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/whisper/layers.hpp"
#include "asr/providers/onnx/whisper/weights.hpp"

namespace hotmic::onnx {
namespace {

std::string convolution(GraphBuilder& graph, WhisperWeights& weights, const std::string& x, const std::string& name,
                        std::int64_t stride) {
    auto kernel = weights.take(name + ".weight");
    const auto shape = kernel.shape;
    const auto made = graph.node(
        "Conv",
        {x, graph.constant(std::move(kernel.values), shape), graph.constant(weights.take(name + ".bias").values)},
        {{"kernel_shape", std::vector<std::int64_t>{shape.back()}},
         {"pads", std::vector<std::int64_t>{1, 1}},
         {"strides", std::vector<std::int64_t>{stride}}});
    return graph.node("Gelu", {made}, {}, kRuntimeDomain);
}

}  // namespace

EncodedAudio::EncodedAudio(const Dimensions& dimensions) : width_(dimensions.width) {
    const auto numbers =
        static_cast<std::size_t>(dimensions.audio_frames) * 2 * static_cast<std::size_t>(dimensions.width);
    for (int i = 0; i < dimensions.decoder_layers; ++i) layers_.emplace_back(numbers * sizeof(Half));
}

Ort::Value EncodedAudio::tensor(int index) const {
    const std::array<std::int64_t, 3> shape{1, frames_, 2 * static_cast<std::int64_t>(width_)};
    const auto bytes = static_cast<std::size_t>(shape[1] * shape[2]) * sizeof(Half);
    return Ort::Value::CreateTensor(cpu_memory(), layer(index), bytes, shape.data(), shape.size(), kFloat16);
}

Encoder::Encoder(WhisperWeights& weights, int threads)
    : mels_(weights.dimensions.mels),
      width_(weights.dimensions.width),
      positions_(weights.take("encoder.positional_embedding").values) {
    const auto& d = weights.dimensions;
    GraphBuilder graph;
    Layers layers(graph, weights);
    graph.input("features", kFloat, std::array<std::int64_t, 3>{1, mels_, -1});
    graph.input("positions", kFloat, std::array<std::int64_t, 3>{1, -2, width_});
    auto x = convolution(graph, weights, "features", "encoder.conv1", 1);
    x = convolution(graph, weights, x, "encoder.conv2", 2);
    x = graph.node("Transpose", {x}, {{"perm", std::vector<std::int64_t>{0, 2, 1}}});
    x = graph.node("Add", {x, "positions"});
    auto y = layers.normalized(x, "encoder.blocks.0.attn_ln");
    for (int i = 0; i < d.encoder_layers; ++i) {
        const auto block = std::format("encoder.blocks.{}", i);
        const auto attention = block + ".attn";
        const auto joined = layers.linear(y, {attention + ".query", attention + ".key", attention + ".value"});
        const std::vector<std::string> parts{graph.fresh(), graph.fresh(), graph.fresh()};
        graph.node_into("Split", {joined}, parts, {{"axis", std::int64_t{-1}}, {"num_outputs", std::int64_t{3}}});
        const auto attended =
            graph.node("MultiHeadAttention", parts, {{"num_heads", std::int64_t{d.heads}}}, kRuntimeDomain);
        auto residual = layers.add_and_normalize(x, layers.linear(attended, {attention + ".out"}), block + ".mlp_ln");
        const auto next =
            i + 1 < d.encoder_layers ? std::format("encoder.blocks.{}.attn_ln", i + 1) : std::string("encoder.ln_post");
        residual = layers.add_and_normalize(residual.sum, layers.feed_forward(residual.normalized, block), next);
        x = residual.sum;
        y = residual.normalized;
    }
    for (int i = 0; i < d.decoder_layers; ++i) {
        const auto attention = std::format("decoder.blocks.{}.cross_attn", i);
        const auto joined = layers.linear(y, {attention + ".key", attention + ".value"});
        outputs_.push_back(std::format("audio{}", i));
        graph.node_into("Cast", {joined}, {outputs_.back()}, {{"to", std::int64_t{kFloat16}}});
        graph.output(outputs_.back(), kFloat16, std::array<std::int64_t, 3>{1, -2, std::int64_t{2} * width_});
    }
    session_ = graph.build(session_options(threads));
}

void Encoder::encode(std::vector<float>& features, EncodedAudio& into, const CancellableRun& run) const {
    const auto frames = static_cast<std::int64_t>(features.size()) / mels_;
    into.resize(static_cast<int>(frames / 2));
    const std::array<std::int64_t, 3> shape{1, mels_, frames};
    const std::array<std::int64_t, 3> places{1, frames / 2, width_};
    auto* const positions = const_cast<float*>(positions_.data());  // the library reads them only
    Ort::IoBinding binding(session_);
    binding.BindInput("features", Ort::Value::CreateTensor<float>(cpu_memory(), features.data(), features.size(),
                                                                  shape.data(), shape.size()));
    binding.BindInput("positions", Ort::Value::CreateTensor<float>(cpu_memory(), positions,
                                                                   static_cast<std::size_t>(places[1] * places[2]),
                                                                   places.data(), places.size()));
    for (std::size_t i = 0; i < outputs_.size(); ++i)
        binding.BindOutput(outputs_[i].c_str(), into.tensor(static_cast<int>(i)));
    session_.Run(run.options(), binding);
}

}  // namespace hotmic::onnx
