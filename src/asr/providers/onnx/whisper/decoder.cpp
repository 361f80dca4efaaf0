#include "asr/providers/onnx/whisper/decoder.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <format>
#include <initializer_list>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "asr/providers/onnx/cross_attention.hpp"
#include "asr/providers/onnx/graph_builder.hpp"
#include "asr/providers/onnx/half_kernels.hpp"
#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/whisper/encoder.hpp"
#include "asr/providers/onnx/whisper/layers.hpp"
#include "asr/providers/onnx/whisper/vocabulary.hpp"
#include "asr/providers/onnx/whisper/weights.hpp"

namespace hotmic::onnx {
namespace {

constexpr auto kInt32 = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
constexpr auto kInt64 = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64;
constexpr std::int64_t kHead = kHeadWidth;

template <class T>
Ort::Value over(std::span<T> values, std::initializer_list<std::int64_t> shape) {
    return Ort::Value::CreateTensor<T>(cpu_memory(), values.data(), values.size(), shape.begin(), shape.size());
}

}  // namespace

Decoder::Decoder(WhisperWeights& weights, int threads)
    : dimensions_(weights.dimensions),
      tokens_(weights.take("decoder.token_embedding.weight")),
      positions_(weights.take("decoder.positional_embedding").values) {
    const auto& d = dimensions_;
    for (const auto& [layer, head] : weights.alignment_heads)
        if (!std::ranges::contains(aligned_layers_, layer)) aligned_layers_.push_back(layer);
    std::ranges::sort(aligned_layers_);

    GraphBuilder graph;
    Layers layers(graph, weights);
    // Free dimensions: -1 rows, -2 tokens of a row, -3 logits wanted, -4 positions of the cache, -5 frames of the
    // audio.
    std::string x = graph.input("tokens", kFloat, std::array<std::int64_t, 3>{-1, -2, d.width});
    graph.input("last", kInt32, std::array<std::int64_t, 1>{-1});
    graph.input("total", kInt32, std::array<std::int64_t, 1>{1});
    graph.input("wanted", kInt64, std::array<std::int64_t, 1>{-3});
    const std::array<std::int64_t, 4> cache{-1, d.heads, -4, kHead};
    const auto one_row = graph.constant(std::vector<std::int64_t>{1, -1, d.width});
    auto y = layers.normalized(x, "decoder.blocks.0.attn_ln");
    for (int i = 0; i < d.decoder_layers; ++i) {
        const auto block = std::format("decoder.blocks.{}", i);
        const auto& names = names_.emplace_back(Names{std::format("past_keys{}", i), std::format("past_values{}", i),
                                                      std::format("keys{}", i), std::format("values{}", i),
                                                      std::format("audio{}", i), std::format("queries{}", i)});
        graph.input(names.past_keys, kFloat, cache);
        graph.input(names.past_values, kFloat, cache);
        graph.input(names.audio, kFloat16, std::array<std::int64_t, 3>{1, -5, std::int64_t{2} * d.width});
        const auto self = block + ".attn";
        const auto joined = layers.linear(y, {self + ".query", self + ".key", self + ".value"});
        const std::vector<std::string> parts{graph.fresh(), graph.fresh(), graph.fresh()};
        graph.node_into("Split", {joined}, parts, {{"axis", std::int64_t{-1}}, {"num_outputs", std::int64_t{3}}});
        const auto attended = graph.fresh();
        graph.node_into(
            "GroupQueryAttention", {parts[0], parts[1], parts[2], names.past_keys, names.past_values, "last", "total"},
            {attended, names.keys, names.values},
            {{"num_heads", std::int64_t{d.heads}}, {"kv_num_heads", std::int64_t{d.heads}}}, kRuntimeDomain);
        graph.output(names.keys, kFloat, cache);
        graph.output(names.values, kFloat, cache);
        auto residual = layers.add_and_normalize(x, layers.linear(attended, {self + ".out"}), block + ".cross_attn_ln");

        const auto cross = block + ".cross_attn";
        auto queries = layers.linear(residual.normalized, {cross + ".query"});
        if (std::ranges::contains(aligned_layers_, i)) {
            graph.node_into("Reshape", {queries, one_row}, {names.queries});
            graph.output(names.queries, kFloat, std::array<std::int64_t, 3>{1, -6, d.width});
        }
        const auto heard = graph.node(kCrossAttention, {queries, names.audio}, {}, kOurDomain);
        residual = layers.add_and_normalize(residual.sum, layers.linear(heard, {cross + ".out"}), block + ".mlp_ln");
        const auto next =
            i + 1 < d.decoder_layers ? std::format("decoder.blocks.{}.attn_ln", i + 1) : std::string("decoder.ln");
        residual = layers.add_and_normalize(residual.sum, layers.feed_forward(residual.normalized, block), next);
        x = residual.sum;
        y = residual.normalized;
    }
    y = graph.node("Reshape", {y, graph.constant(std::vector<std::int64_t>{-1, d.width})});
    y = graph.node("Gather", {y, "wanted"}, {{"axis", std::int64_t{0}}});
    // The output layer is the table of tokens once more, in the form that the library multiplies with.
    const auto logits = layers.linear(y, tokens_);
    graph.node_into("Identity", {logits}, {"logits"});
    graph.output("logits", kFloat, std::array<std::int64_t, 2>{-3, d.vocabulary});

    auto options = session_options(threads);
    options.Add(our_operators());
    session_ = graph.build(options);
}

void Decoder::embed(Token token, int position, float* into) const {
    const auto width = static_cast<std::size_t>(dimensions_.width);
    const auto row = static_cast<std::size_t>(token);
    const float* place = positions_.data() + static_cast<std::size_t>(position) * width;
    if (tokens_.quantized.empty()) {
        const float* values = tokens_.values.data() + row * width;
        for (std::size_t i = 0; i < width; ++i) into[i] = values[i] + place[i];
    } else {
        const std::int8_t* values = tokens_.quantized.data() + row * width;
        const float scale = tokens_.scales[row];
        for (std::size_t i = 0; i < width; ++i) into[i] = static_cast<float>(values[i]) * scale + place[i];
    }
}

DecoderState::DecoderState(const Decoder& decoder) : decoder_(decoder), binding_(decoder.session_) {
    queries_.resize(decoder.aligned_layers_.size());
    allocate(1);
}

std::size_t DecoderState::row_numbers() const {
    return static_cast<std::size_t>(decoder_.dimensions_.width) *
           static_cast<std::size_t>(decoder_.dimensions_.text_positions);
}

void DecoderState::allocate(int rows) {
    caches_.clear();
    for (int i = 0; i < 2 * decoder_.dimensions_.decoder_layers; ++i)
        caches_.emplace_back(row_numbers() * static_cast<std::size_t>(rows) * sizeof(float));
    rows_ = rows;
}

void DecoderState::begin(const EncodedAudio& audio) {
    audio_ = &audio;
    position_ = 0;
    if (rows_ > 1) allocate(1);  // what many rows needed goes back
}

void DecoderState::fork(int rows) {
    auto old = std::move(caches_);
    allocate(rows);
    const auto head = kHeadWidth * static_cast<std::size_t>(decoder_.dimensions_.text_positions);
    const auto used = kHeadWidth * static_cast<std::size_t>(position_) * sizeof(float);
    for (std::size_t i = 0; i < caches_.size(); ++i) {
        const auto* from = static_cast<const float*>(old[i].data());
        auto* into = static_cast<float*>(caches_[i].data());
        for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row)
            for (std::size_t at = 0; at < row_numbers(); at += head)
                std::memcpy(into + row * row_numbers() + at, from + at, used);
    }
}

void DecoderState::reorder(std::span<const int> parents) {
    std::vector<int> stay(parents.size());
    std::iota(stay.begin(), stay.end(), 0);
    if (std::ranges::equal(parents, stay)) return;
    const auto head = kHeadWidth * static_cast<std::size_t>(decoder_.dimensions_.text_positions);
    const auto used = kHeadWidth * static_cast<std::size_t>(position_);
    const auto heads = row_numbers() / head;
    std::vector<float> kept(parents.size() * heads * used);
    for (auto& cache : caches_) {
        auto* const numbers = static_cast<float*>(cache.data());
        auto* keep = kept.data();
        for (const int parent : parents)
            for (std::size_t at = 0; at < row_numbers(); at += head, keep += used)
                std::memcpy(keep, numbers + static_cast<std::size_t>(parent) * row_numbers() + at,
                            used * sizeof(float));
        keep = kept.data();
        for (std::size_t row = 0; row < parents.size(); ++row)
            for (std::size_t at = 0; at < row_numbers(); at += head, keep += used)
                std::memcpy(numbers + row * row_numbers() + at, keep, used * sizeof(float));
    }
}

DecoderState::Logits DecoderState::feed(std::span<const Token> tokens, std::span<const std::int64_t> wanted,
                                        const CancellableRun& run_) {
    return run(tokens, 1, wanted, false, run_);
}

DecoderState::Logits DecoderState::feed_with_queries(std::span<const Token> tokens,
                                                     std::span<const std::int64_t> wanted, const CancellableRun& run_) {
    return run(tokens, 1, wanted, true, run_);
}

DecoderState::Logits DecoderState::step(std::span<const Token> tokens, const CancellableRun& run_) {
    std::vector<std::int64_t> all(tokens.size());
    std::iota(all.begin(), all.end(), 0);
    return run(tokens, static_cast<int>(tokens.size()), all, false, run_);
}

DecoderState::Logits DecoderState::run(std::span<const Token> tokens, int rows, std::span<const std::int64_t> wanted,
                                       bool want_queries, const CancellableRun& run_) {
    const auto& d = decoder_.dimensions_;
    const auto width = static_cast<std::size_t>(d.width);
    const auto length = static_cast<int>(tokens.size()) / rows;
    embedded_.resize(tokens.size() * width);
    for (std::size_t i = 0; i < tokens.size(); ++i)
        decoder_.embed(tokens[i], position_ + static_cast<int>(i) % length, embedded_.data() + i * width);
    std::vector<std::int32_t> last(static_cast<std::size_t>(rows), position_ + length - 1);
    std::array<std::int32_t, 1> total{position_ + length};
    std::vector<std::int64_t> indices(wanted.begin(), wanted.end());
    logits_.resize(indices.size() * static_cast<std::size_t>(d.vocabulary));

    binding_.ClearBoundInputs();
    binding_.ClearBoundOutputs();
    binding_.BindInput("tokens", over(std::span(embedded_), {rows, length, d.width}));
    binding_.BindInput("last", over(std::span(last), {rows}));
    binding_.BindInput("total", over(std::span<std::int32_t>(total), {1}));
    binding_.BindInput("wanted", over(std::span(indices), {static_cast<std::int64_t>(indices.size())}));
    binding_.BindOutput("logits", over(std::span(logits_), {static_cast<std::int64_t>(indices.size()), d.vocabulary}));
    for (int i = 0; i < d.decoder_layers; ++i) {
        const auto& names = decoder_.names_[static_cast<std::size_t>(i)];
        const auto numbers = row_numbers() * static_cast<std::size_t>(rows);
        const auto cache = [&](std::size_t index) {
            return over(std::span(static_cast<float*>(caches_[index].data()), numbers),
                        {rows, d.heads, d.text_positions, kHead});
        };
        const auto keys = cache(2 * static_cast<std::size_t>(i));
        const auto values = cache(2 * static_cast<std::size_t>(i) + 1);
        // The operator writes the new ones behind the old ones, in place.
        binding_.BindInput(names.past_keys.c_str(), keys);
        binding_.BindInput(names.past_values.c_str(), values);
        binding_.BindOutput(names.keys.c_str(), keys);
        binding_.BindOutput(names.values.c_str(), values);
        binding_.BindInput(names.audio.c_str(), audio_->tensor(i));
    }
    if (want_queries) {
        for (std::size_t i = 0; i < queries_.size(); ++i) {
            queries_[i].resize(tokens.size() * width);
            const auto& names = decoder_.names_[static_cast<std::size_t>(decoder_.aligned_layers_[i])];
            binding_.BindOutput(names.queries.c_str(),
                                over(std::span(queries_[i]), {1, static_cast<std::int64_t>(tokens.size()), d.width}));
        }
    }
    decoder_.session_.Run(run_.options(), binding_);
    position_ += length;
    return {.values = logits_, .width = static_cast<std::size_t>(d.vocabulary)};
}

}  // namespace hotmic::onnx
