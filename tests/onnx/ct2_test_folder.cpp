#include "onnx/ct2_test_folder.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <format>
#include <fstream>
#include <map>
#include <stdexcept>
#include <vector>

#include "onnx/source_tensors.hpp"
#include "onnx/tokenizer_test_file.hpp"
#include "support/half.hpp"

namespace hotmic::testing {
namespace {

namespace fs = std::filesystem;

class Writer {
public:
    Writer(const fs::path& path, const Ct2TestFolder& how) : out_(path, std::ios::binary), how_(how) {}

    template <class T>
    void put(T value) {
        out_.write(reinterpret_cast<const char*>(&value), sizeof value);
    }
    void name(const std::string& text) {
        put(static_cast<std::uint16_t>(text.size() + 1));
        out_.write(text.c_str(), static_cast<std::streamsize>(text.size() + 1));
    }
    void variable(const std::string& called, const Numbers& numbers) {
        const bool matrix = numbers.shape.size() > 1 && called.ends_with("/weight") && !called.contains("conv");
        if (!matrix || how_.weights == "f32") return head(called, numbers, 0, 4), floats(numbers.values);
        if (how_.weights == "f16") {
            head(called, numbers, 4, 2);
            for (const float value : numbers.values) put(half(value));
            return;
        }
        const auto columns = static_cast<std::size_t>(numbers.shape.back());
        std::vector<float> scales;
        head(called, numbers, 1, 1);
        for (std::size_t at = 0; at < numbers.values.size(); at += columns) {
            float largest = 1e-9F;
            for (std::size_t i = 0; i < columns; ++i) largest = std::max(largest, std::abs(numbers.values[at + i]));
            scales.push_back(127 / largest);
            for (std::size_t i = 0; i < columns; ++i)
                put(static_cast<std::int8_t>(std::lrint(numbers.values[at + i] * scales.back())));
        }
        head(called + "_scale", {{static_cast<std::int64_t>(scales.size())}, {}}, 0, 4);
        floats(scales);
    }

private:
    void head(const std::string& called, const Numbers& numbers, std::uint8_t type, std::uint32_t bytes) {
        name(called);
        put(static_cast<std::uint8_t>(numbers.shape.size()));
        for (const auto extent : numbers.shape) {
            put(static_cast<std::uint32_t>(extent));
            bytes *= static_cast<std::uint32_t>(extent);
        }
        put(type);
        put(bytes);
    }
    void floats(const std::vector<float>& values) {
        for (const float value : values) put(value);
    }

    std::ofstream out_;
    const Ct2TestFolder& how_;
};

/// Several tensors one below the other; one that is not there is zeros like the first.
Numbers joined(const Tensors& all, const std::vector<std::string>& names) {
    Numbers made = all.at(names.front());
    for (std::size_t i = 1; i < names.size(); ++i) {
        const auto& first = all.at(names.front());
        const auto found = all.find(names[i]);
        if (found == all.end())
            made.values.resize(made.values.size() + first.values.size());
        else
            made.values.append_range(found->second.values);
        made.shape.front() += first.shape.front();
    }
    return made;
}

}  // namespace

void write_ct2_folder(const fs::path& folder, const fs::path& ggml, const Ct2TestFolder& how) {
    auto source = onnx::open_ggml_source(ggml);
    if (!source) throw std::runtime_error(source.error().describe());
    const auto all = tensors_of(**source);
    Tensors variables;
    const auto linear = [&](const std::string& into, const std::vector<std::string>& from) {
        std::vector<std::string> weights;
        std::vector<std::string> biases;
        for (const auto& each : from) {
            weights.push_back(each + ".weight");
            biases.push_back(each + ".bias");
        }
        variables[into + "/weight"] = joined(all, weights);
        if (all.contains(biases.front())) {
            variables[into + "/bias"] = joined(all, biases);
        } else {  // keys have none, values have one
            auto zeros = joined(all, {biases.back(), "none"});
            std::ranges::rotate(zeros.values,
                                zeros.values.begin() + static_cast<std::ptrdiff_t>(zeros.values.size() / 2));
            variables[into + "/bias"] = std::move(zeros);
        }
    };
    const auto norm = [&](const std::string& into, const std::string& from) {
        variables[into + "/gamma"] = all.at(from + ".weight");
        variables[into + "/beta"] = all.at(from + ".bias");
    };
    const auto& d = (*source)->info().dimensions;
    const auto block = [&](const std::string& into, const std::string& from, bool decoder) {
        norm(into + "/self_attention/layer_norm", from + ".attn_ln");
        linear(into + "/self_attention/linear_0", {from + ".attn.query", from + ".attn.key", from + ".attn.value"});
        linear(into + "/self_attention/linear_1", {from + ".attn.out"});
        if (decoder) {
            norm(into + "/attention/layer_norm", from + ".cross_attn_ln");
            linear(into + "/attention/linear_0", {from + ".cross_attn.query"});
            linear(into + "/attention/linear_1", {from + ".cross_attn.key", from + ".cross_attn.value"});
            linear(into + "/attention/linear_2", {from + ".cross_attn.out"});
        }
        norm(into + "/ffn/layer_norm", from + ".mlp_ln");
        linear(into + "/ffn/linear_0", {from + ".mlp.0"});
        linear(into + "/ffn/linear_1", {from + ".mlp.2"});
    };
    for (int i = 0; i < d.encoder_layers; ++i)
        block(std::format("encoder/layer_{}", i), std::format("encoder.blocks.{}", i), false);
    for (int i = 0; i < d.decoder_layers; ++i)
        block(std::format("decoder/layer_{}", i), std::format("decoder.blocks.{}", i), true);
    for (const std::string conv : {"conv1", "conv2"}) {
        variables["encoder/" + conv + "/weight"] = all.at("encoder." + conv + ".weight");
        auto bias = all.at("encoder." + conv + ".bias");
        bias.shape = {d.width};
        variables["encoder/" + conv + "/bias"] = std::move(bias);
    }
    norm("encoder/layer_norm", "encoder.ln_post");
    norm("decoder/layer_norm", "decoder.ln");
    variables["encoder/position_encodings/encodings"] = all.at("encoder.positional_embedding");
    variables["decoder/position_encodings/encodings"] = all.at("decoder.positional_embedding");
    variables["decoder/embeddings/weight"] = all.at("decoder.token_embedding.weight");
    variables.erase(how.without);

    fs::create_directories(folder);
    Writer writer(folder / "model.bin", how);
    writer.put(static_cast<std::uint32_t>(how.version));
    writer.name(how.specification);
    writer.put(std::uint32_t{3});
    const auto quantized = how.weights == "int8" ? std::ranges::count_if(variables,
                                                                         [](const auto& each) {
                                                                             return each.second.shape.size() > 1 &&
                                                                                    each.first.ends_with("/weight") &&
                                                                                    !each.first.contains("conv");
                                                                         })
                                                 : 0;
    writer.put(static_cast<std::uint32_t>(variables.size() + static_cast<std::size_t>(quantized)));
    for (const auto& [name, numbers] : variables) writer.variable(name, numbers);
    writer.put(std::uint32_t{1});
    writer.name("decoder/projection/weight");
    writer.name("decoder/embeddings/weight");
    std::ofstream(folder / "config.json") << R"({"suppress_ids":[],"suppress_ids_begin":[]})";
    if (how.tokenizer) write_tokenizer_json(folder / "tokenizer.json", (*source)->vocabulary().value());
}

}  // namespace hotmic::testing
