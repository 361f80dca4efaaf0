#include "onnx/onnx_test_folder.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <format>
#include <fstream>
#include <map>
#include <stdexcept>
#include <utility>
#include <vector>

#include "onnx/source_tensors.hpp"
#include "onnx/tokenizer_test_file.hpp"
#include "support/half.hpp"
#include "support/onnx_message.hpp"

namespace hotmic::testing {
namespace {

namespace fs = std::filesystem;

// Fields of a message.
constexpr auto& integer = onnx_message::number;
constexpr auto& text = onnx_message::bytes;
using onnx_message::entry;
using onnx_message::varint;

template <class T>
std::string raw(const std::vector<T>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

enum Type : std::uint8_t { kFloat = 1, kByte = 2, kHalf = 10 };

/// A graph while it grows.
class Graph {
public:
    Graph(const OnnxTestFolder& how, const Tensors& all, fs::path folder)
        : how_(how), all_(all), folder_(std::move(folder)) {}

    void tensor(const std::string& name, const std::vector<std::int64_t>& shape, Type type, const std::string& bytes,
                bool outside = false) {
        std::string made;
        for (const auto extent : shape) made += integer(1, static_cast<std::uint64_t>(extent));
        made += integer(2, type) + text(8, name);
        if (outside && !how_.outside.empty()) {
            const auto file = folder_ / how_.outside;
            const auto offset = fs::exists(file) ? fs::file_size(file) : 0;
            std::ofstream(file, std::ios::binary | std::ios::app) << bytes;
            for (const auto& [key, value] : {std::pair<std::string, std::string>{"location", how_.outside},
                                             {"offset", std::to_string(offset)},
                                             {"length", std::to_string(bytes.size())}})
                made += entry(13, key, value);
            made += integer(14, 1);
        } else {
            made += text(9, bytes);
        }
        tensors_ += text(5, made);
    }
    void floats(const std::string& name, const Numbers& numbers) {
        tensor(name, numbers.shape, kFloat, raw(numbers.values));
    }

    void node(const std::string& op, const std::string& name, const std::vector<std::string>& inputs,
              const std::string& output, const std::map<std::string, std::int64_t>& integers = {}) {
        std::string made;
        for (const auto& input : inputs) made += text(1, input);
        made += text(2, output) + text(4, op);
        if (how_.named_nodes) made += text(3, name);
        for (const auto& [key, value] : integers)
            made += text(5, text(1, key) + integer(3, static_cast<std::uint64_t>(value)) + integer(20, 2));
        nodes_ += text(1, made);
    }

    [[nodiscard]] const Numbers* find(const std::string& ours) const {
        const auto found = all_.find(ours);
        return ours == how_.without || found == all_.end() ? nullptr : &found->second;
    }

    /// A parameter under its own name.
    void named(const std::string& theirs, const std::string& ours) {
        if (const auto* numbers = find(ours)) floats(theirs, *numbers);
    }

    /// "PATH/MatMul", and "PATH/Add" where there is a bias; gives the last output.
    std::string linear(const std::string& path, const std::string& input, const std::string& ours,
                       const std::string& bias_name) {
        const auto* matrix = find(ours + ".weight");
        const auto* bias = find(ours + ".bias");
        auto output = path + "/MatMul_output_0";
        if (matrix != nullptr) multiply(path, input, *matrix, output);
        if (bias == nullptr) return output;
        const auto called = bias_name.empty() ? std::format("onnx::Add_{}", ++made_) : bias_name;
        floats(called, *bias);
        node("Add", path + "/Add", {called, output}, path + "/Add_output_0");
        return path + "/Add_output_0";
    }

    [[nodiscard]] std::string nodes() const { return nodes_; }
    [[nodiscard]] std::string tensors() const { return tensors_; }

private:
    void multiply(const std::string& path, const std::string& input, const Numbers& matrix, const std::string& output) {
        const auto out = static_cast<std::size_t>(matrix.shape[0]);
        const auto in = static_cast<std::size_t>(matrix.shape[1]);
        const auto called = std::format("onnx::MatMul_{}", ++made_);
        const auto& values = matrix.values;
        std::vector<float> turned(values.size());
        for (std::size_t row = 0; row < out; ++row)
            for (std::size_t column = 0; column < in; ++column) turned[column * out + row] = values[row * in + column];
        const std::vector<std::int64_t> shape{matrix.shape[1], matrix.shape[0]};
        const std::map<std::string, std::int64_t> sizes{{"N", matrix.shape[0]}, {"K", matrix.shape[1]}};
        auto with = [&](std::map<std::string, std::int64_t> more) {
            more.insert(sizes.begin(), sizes.end());
            return more;
        };
        if (how_.weights == "f32") {
            tensor(called, shape, kFloat, raw(turned), true);
            node("MatMul", path + "/MatMul", {input, called}, output);
        } else if (how_.weights == "f16") {
            std::vector<std::uint16_t> halves;
            for (const float value : turned) halves.push_back(half(value));
            tensor(called, shape, kHalf, raw(halves), true);
            node("MatMul", path + "/MatMul", {input, called}, output);
        } else if (how_.weights == "8-bit") {
            float largest = 1e-9F;
            for (const float value : turned) largest = std::max(largest, std::abs(value));
            const float scale = largest / 127;
            constexpr int kZero = 128;
            std::vector<std::uint8_t> bytes;
            for (const float value : turned)
                bytes.push_back(static_cast<std::uint8_t>(std::lrint(value / scale) + kZero));
            tensor(called + "_quantized", shape, kByte, raw(bytes), true);
            tensor(called + "_scale", {}, kFloat, raw(std::vector{scale}));
            // As onnx.helper writes a single byte.
            tensors_ += text(5, integer(2, kByte) + text(8, called + "_zero_point") + text(5, varint(kZero)));
            node("MatMulInteger", path + "/MatMul_quant",
                 {input + "_quantized", called + "_quantized", input + "_zero_point", called + "_zero_point"},
                 output + "_output_quantized");
            node("Cast", output + "_output_quantized_cast", {output + "_output_quantized"}, output + "_cast");
            node("Mul", path + "/MatMul_quant_output_scale_mul", {output + "_cast", path + "_scale"}, output);
        } else {
            constexpr std::size_t kBlock = 32;  // divides every width there is
            const bool normal = how_.weights == "nf4";
            std::vector<float> scales;
            std::vector<std::uint8_t> bytes(values.size() / 2);
            for (std::size_t at = 0; at < values.size(); at += kBlock) {
                float largest = 1e-9F;
                for (std::size_t i = 0; i < kBlock; ++i) largest = std::max(largest, std::abs(values[at + i]));
                scales.push_back(normal ? largest : largest / 7);
                for (std::size_t i = 0; i < kBlock; ++i) {
                    // Of the sixteen normal floats only those are written whose values everybody knows: -1, 0 and 1.
                    const float share = values[at + i] / largest;
                    const auto index = static_cast<unsigned>(normal ? (share < -0.5F  ? 0
                                                                       : share > 0.5F ? 15
                                                                                      : 7)
                                                                    : std::lrint(values[at + i] / scales.back()) + 8);
                    const bool high = ((at + i) % 2 == 0) == normal;
                    bytes[(at + i) / 2] |= static_cast<std::uint8_t>(high ? index << 4U : index);
                }
            }
            const auto blocks = static_cast<std::int64_t>(in / kBlock);
            if (normal) {
                tensor(called + "_Bnb4", {static_cast<std::int64_t>(bytes.size())}, kByte, raw(bytes), true);
                tensor(called + "_absmax", {static_cast<std::int64_t>(scales.size())}, kFloat, raw(scales));
                node("MatMulBnb4", path + "/MatMul_Bnb4", {input, called + "_Bnb4", called + "_absmax"}, output,
                     with({{"quant_type", 1}, {"block_size", kBlock}}));
            } else {
                tensor(called + "_Q4", {matrix.shape[0], blocks, kBlock / 2}, kByte, raw(bytes), true);
                tensor(called + "_scales", {static_cast<std::int64_t>(scales.size())}, kFloat, raw(scales));
                node("MatMulNBits", path + "/MatMul_Q4", {input, called + "_Q4", called + "_scales"}, output,
                     with({{"bits", 4}, {"block_size", kBlock}}));
            }
        }
    }

    const OnnxTestFolder& how_;
    const Tensors& all_;
    const fs::path folder_;
    std::string nodes_;
    std::string tensors_;
    int made_ = 658;
};

/// Names in one of the two layouts.
struct Names {
    std::string query;
    std::string key;
    std::string value;
    std::string out;
    std::string attention_norm;
    std::string cross_norm;
    std::string mlp_norm;
    std::string first;
    std::string second;
};
const Names kHuggingFace{
    "q_proj",           "k_proj", "v_proj", "out_proj", "self_attn_layer_norm", "encoder_attn_layer_norm",
    "final_layer_norm", "fc1",    "fc2"};
const Names kSherpa{"query", "key", "value", "out", "attn_ln", "cross_attn_ln", "mlp_ln", "mlp.0", "mlp.2"};

void norm(Graph& graph, const std::string& theirs, const std::string& ours) {
    graph.named(theirs + ".weight", ours + ".weight");
    graph.named(theirs + ".bias", ours + ".bias");
}

void convolutions(Graph& graph, const std::string& prefix, bool named) {
    for (const int i : {1, 2}) {
        const auto ours = std::format("encoder.conv{}", i);
        const auto weight = named ? std::format("conv{}.weight", i) : std::format("onnx::Conv_{}", 2 * i);
        const auto bias = named ? std::format("conv{}.bias", i) : std::format("onnx::Conv_{}", 2 * i + 1);
        graph.named(weight, ours + ".weight");
        if (const auto* found = graph.find(ours + ".bias"))
            graph.floats(bias, {{static_cast<std::int64_t>(found->values.size())}, found->values});
        graph.node("Conv", std::format("{}/conv{}/Conv", prefix, i), {"mel", weight, bias}, std::format("c{}", i));
    }
}

std::string suffixed(int index) {
    return index == 0 ? "" : std::format("_{}", index);
}

void huggingface_layer(Graph& graph, int layer, bool decoder) {
    const auto side = decoder ? std::string("decoder") : std::string("encoder");
    const auto path = std::format("{}/layers.{}", decoder ? "/model/decoder" : "", layer);
    const auto dotted = std::format("{}layers.{}", decoder ? "model.decoder." : "", layer);
    // What optimum's merging does to names.
    const auto ours = std::format("{}.blocks.{}", side, layer);
    const auto& names = kHuggingFace;
    const auto attention = [&](const std::string& theirs, const std::string& mine, const std::string& heard) {
        for (const auto& [part, role] : {std::pair{names.query, "query"}, {names.key, "key"}, {names.value, "value"}})
            graph.linear(std::format("{}/{}/{}", path, theirs, part), std::string_view(role) == "query" ? "x" : heard,
                         std::format("{}.{}.{}", ours, mine, role), std::format("{}.{}.{}.bias", dotted, theirs, part));
        graph.linear(std::format("{}/{}/{}", path, theirs, names.out), "x", std::format("{}.{}.out", ours, mine),
                     std::format("{}.{}.{}.bias", dotted, theirs, names.out));
    };
    norm(graph, std::format("{}.{}", dotted, names.attention_norm), ours + ".attn_ln");
    attention("self_attn", "attn", "x");
    if (decoder) {
        norm(graph, std::format("{}.{}", dotted, names.cross_norm), ours + ".cross_attn_ln");
        attention("encoder_attn", "cross_attn", "encoder_hidden_states");
    }
    norm(graph, std::format("{}.{}", dotted, names.mlp_norm), ours + ".mlp_ln");
    graph.linear(std::format("{}/{}", path, names.first), "x", ours + ".mlp.0", dotted + ".fc1.bias");
    graph.linear(std::format("{}/{}", path, names.second), "x", ours + ".mlp.2", dotted + ".fc2.bias");
}

void write_model(const fs::path& file, const std::string& graph, const std::map<std::string, std::string>& metadata) {
    std::ofstream out(file, std::ios::binary);
    out << integer(1, 7) << text(2, "hotmic's tests") << text(7, graph) << text(8, integer(2, 14));
    for (const auto& [key, value] : metadata) out << entry(14, key, value);
}

void huggingface(const fs::path& folder, const Tensors& all, const onnx::Dimensions& d, const OnnxTestFolder& how) {
    Graph encoder(how, all, folder);
    convolutions(encoder, "", true);
    encoder.named("embed_positions.weight", "encoder.positional_embedding");
    for (int i = 0; i < d.encoder_layers; ++i) huggingface_layer(encoder, i, false);
    norm(encoder, "layer_norm", "encoder.ln_post");
    write_model(folder / ("encoder_model" + how.suffix + ".onnx"),
                encoder.nodes() + encoder.tensors() + text(11, text(1, "input_features")) +
                    text(12, text(1, "last_hidden_state")),
                {});
    Graph decoder(how, all, folder);
    decoder.named("model.decoder.embed_tokens.weight_merged_0", "decoder.token_embedding.weight");
    decoder.named("model.decoder.embed_positions.weight_merged_0", "decoder.positional_embedding");
    for (int i = 0; i < d.decoder_layers; ++i) huggingface_layer(decoder, i, true);
    norm(decoder, "model.decoder.layer_norm", "decoder.ln");
    const auto ends = text(11, text(1, "input_ids")) + text(12, text(1, "logits"));
    if (!how.merged)
        return write_model(folder / ("decoder_model" + how.suffix + ".onnx"),
                           decoder.nodes() + decoder.tensors() + ends, {});
    // Tensors stand outside, nodes in the branches of an If; the branch for later tokens has fewer.
    const auto branch = [](std::string_view name, const std::string& graph) {
        return text(5, text(1, name) + text(6, graph) + integer(20, 5));
    };
    Graph later(how, {}, folder);
    later.node("MatMul", "/model/decoder/layers.0/self_attn/q_proj/MatMul", {"x", "onnx::MatMul_659"}, "y");
    write_model(folder / ("decoder_model_merged" + how.suffix + ".onnx"),
                text(1, text(1, "use_cache_branch") + text(2, "logits") + text(4, "If") +
                            branch("then_branch", later.nodes()) + branch("else_branch", decoder.nodes())) +
                    decoder.tensors() + ends,
                {});
}

void sherpa(const fs::path& folder, const Tensors& all, const onnx::Dimensions& d, const onnx::Vocabulary& vocabulary,
            const OnnxTestFolder& how) {
    const auto& names = kSherpa;
    const auto mlp = [&](Graph& graph, const std::string& path, const std::string& ours, int index) {
        graph.linear(path + "/mlp.0" + suffixed(index), "x", ours + ".mlp.0", "");
        graph.linear(path + "/mlp.2" + suffixed(index), "x", ours + ".mlp.2", "");
    };
    Graph encoder(how, all, folder);
    convolutions(encoder, "/audioEncoder", false);
    encoder.named("audioEncoder.positional_embedding", "encoder.positional_embedding");
    for (int i = 0; i < d.encoder_layers; ++i) {
        const auto path = std::format("/audioEncoder/blocks.{}", i);
        const auto dotted = std::format("audioEncoder.blocks.{}", i);
        const auto ours = std::format("encoder.blocks.{}", i);
        norm(encoder, dotted + ".attn_ln", ours + ".attn_ln");
        for (const auto& part : {names.query, names.key, names.value, names.out})
            encoder.linear(std::format("{}/attn/{}", path, part), "x", std::format("{}.attn.{}", ours, part), "");
        norm(encoder, dotted + ".mlp_ln", ours + ".mlp_ln");
        mlp(encoder, path + "/mlp", ours, 0);
    }
    norm(encoder, "audioEncoder.ln_post", "encoder.ln_post");
    for (int i = 0; i < d.decoder_layers; ++i)
        for (const auto& part : {names.key, names.value})
            encoder.linear("/" + part + suffixed(i), "heard", std::format("decoder.blocks.{}.cross_attn.{}", i, part),
                           "");
    const auto& special = vocabulary.special();
    std::map<std::string, std::string> metadata{{"model_type", "whisper-test"},
                                                {"eot", std::to_string(special.end_of_text)},
                                                {"sot", std::to_string(special.start)},
                                                {"translate", std::to_string(special.translate)},
                                                {"transcribe", std::to_string(special.transcribe)},
                                                {"sot_lm", std::to_string(special.start_of_lm)},
                                                {"sot_prev", std::to_string(special.previous)},
                                                {"no_speech", std::to_string(special.no_speech)},
                                                {"no_timestamps", std::to_string(special.no_timestamps)},
                                                {"is_multilingual", special.languages.empty() ? "0" : "1"}};
    for (const auto& [code, token] : special.languages) {
        const auto join = [&](const std::string& key, const std::string& value) {
            auto& list = metadata[key];
            list += (list.empty() ? "" : ",") + value;
        };
        join("all_language_codes", code);
        join("all_language_tokens", std::to_string(token));
    }
    metadata.erase(how.without);
    write_model(folder / ("test-encoder" + how.suffix + ".onnx"), encoder.nodes() + encoder.tensors(), metadata);

    Graph decoder(how, all, folder);
    decoder.named("textDecoder.token_embedding.weight", "decoder.token_embedding.weight");
    decoder.named("textDecoder.positional_embedding", "decoder.positional_embedding");
    for (int i = 0; i < d.decoder_layers; ++i) {
        const auto dotted = std::format("textDecoder.blocks.{}", i);
        const auto ours = std::format("decoder.blocks.{}", i);
        norm(decoder, dotted + ".attn_ln", ours + ".attn_ln");
        decoder.linear("/query" + suffixed(2 * i), "x", ours + ".attn.query", "");
        decoder.linear("/key" + suffixed(i), "x", ours + ".attn.key", "");
        decoder.linear("/value" + suffixed(i), "x", ours + ".attn.value", "");
        decoder.linear("/out" + suffixed(2 * i), "x", ours + ".attn.out", "");
        norm(decoder, dotted + ".cross_attn_ln", ours + ".cross_attn_ln");
        decoder.linear("/query" + suffixed(2 * i + 1), "x", ours + ".cross_attn.query", "");
        decoder.linear("/out" + suffixed(2 * i + 1), "x", ours + ".cross_attn.out", "");
        norm(decoder, dotted + ".mlp_ln", ours + ".mlp_ln");
        mlp(decoder, "/mlp", ours, i);
    }
    norm(decoder, "textDecoder.ln", "decoder.ln");
    write_model(folder / ("test-decoder" + how.suffix + ".onnx"), decoder.nodes() + decoder.tensors(), {});
    write_tokens_txt(folder / "test-tokens.txt", vocabulary);
}

}  // namespace

void write_onnx_folder(const fs::path& folder, const fs::path& ggml, const OnnxTestFolder& how) {
    auto source = onnx::open_ggml_source(ggml);
    if (!source) throw std::runtime_error(source.error().describe());
    auto all = tensors_of(**source);
    const auto vocabulary = (*source)->vocabulary().value();
    fs::create_directories(folder);
    if (how.sherpa) return sherpa(folder, all, (*source)->info().dimensions, vocabulary, how);
    huggingface(folder, all, (*source)->info().dimensions, how);
    write_tokenizer_json(folder / "tokenizer.json", vocabulary);
}

}  // namespace hotmic::testing
