#include "asr/providers/onnx/whisper/layers.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "asr/providers/onnx/graph_builder.hpp"
#include "asr/providers/onnx/whisper/weights.hpp"

namespace hotmic::onnx {
namespace {

constexpr float kEpsilon = 1e-5F;

/// [rows, columns] of several matrices, one below the other, as [columns, all rows].
template <class T>
std::vector<T> transposed(const std::vector<const Tensor*>& matrices, std::vector<T> Tensor::* values,
                          std::size_t all) {
    constexpr std::size_t kBlock = 32;
    const auto columns = static_cast<std::size_t>(matrices.front()->columns());
    std::vector<T> made(columns * all);
    std::size_t first = 0;
    for (const auto* matrix : matrices) {
        const auto rows = static_cast<std::size_t>(matrix->rows());
        const auto& from = matrix->*values;
        for (std::size_t r = 0; r < rows; r += kBlock) {
            for (std::size_t c = 0; c < columns; c += kBlock) {
                for (std::size_t i = r; i < std::min(rows, r + kBlock); ++i)
                    for (std::size_t j = c; j < std::min(columns, c + kBlock); ++j)
                        made[j * all + first + i] = from[i * columns + j];
            }
        }
        first += rows;
    }
    return made;
}

}  // namespace

std::string Layers::linear(const std::string& x, const std::vector<std::string>& names) {
    std::vector<Tensor> taken;
    std::vector<float> bias;
    for (const auto& name : names) {
        taken.push_back(weights_.take(name + ".weight"));
        const auto end = bias.size() + static_cast<std::size_t>(taken.back().rows());
        if (weights_.tensors.contains(name + ".bias")) bias.append_range(weights_.take(name + ".bias").values);
        bias.resize(end);
    }
    std::vector<const Tensor*> matrices;
    matrices.reserve(taken.size());
    for (const auto& each : taken) matrices.push_back(&each);
    return multiply(x, matrices, std::move(bias));
}

std::string Layers::linear(const std::string& x, const Tensor& matrix) {
    return multiply(x, {&matrix}, {});
}

std::string Layers::multiply(const std::string& x, const std::vector<const Tensor*>& matrices,
                             std::vector<float> bias) {
    std::size_t rows = 0;
    for (const auto* each : matrices) rows += static_cast<std::size_t>(each->rows());
    const std::int64_t shape[]{matrices.front()->columns(), static_cast<std::int64_t>(rows)};
    if (matrices.front()->quantized.empty()) {
        const auto product =
            graph_.node("MatMul", {x, graph_.constant(transposed(matrices, &Tensor::values, rows), shape)});
        return bias.empty() ? product : graph_.node("Add", {product, graph_.constant(std::move(bias))});
    }
    std::vector<float> scales;
    for (const auto* each : matrices) scales.append_range(each->scales);
    std::vector<std::string> inputs{x, graph_.constant(transposed(matrices, &Tensor::quantized, rows), shape),
                                    graph_.constant(std::move(scales))};
    if (!bias.empty()) {
        inputs.emplace_back();  // no zero points
        inputs.push_back(graph_.constant(std::move(bias)));
    }
    return graph_.node("DynamicQuantizeMatMul", inputs, {}, kRuntimeDomain);
}

std::string Layers::normalized(const std::string& x, const std::string& name) {
    auto weight = graph_.constant(weights_.take(name + ".weight").values);
    auto bias = graph_.constant(weights_.take(name + ".bias").values);
    return graph_.node("LayerNormalization", {x, weight, bias}, {{"axis", std::int64_t{-1}}, {"epsilon", kEpsilon}});
}

Layers::Residual Layers::add_and_normalize(const std::string& x, const std::string& added, const std::string& name) {
    auto weight = graph_.constant(weights_.take(name + ".weight").values);
    auto bias = graph_.constant(weights_.take(name + ".bias").values);
    Residual made{graph_.fresh(), graph_.fresh()};
    graph_.node_into("SkipLayerNormalization", {x, added, weight, bias}, {made.normalized, "", "", made.sum},
                     {{"epsilon", kEpsilon}}, kRuntimeDomain);
    return made;
}

std::string Layers::gelu(const std::string& x) {
    return graph_.node("Gelu", {x}, {}, kRuntimeDomain);
}

std::string Layers::feed_forward(const std::string& x, const std::string& block) {
    return linear(gelu(linear(x, {block + ".mlp.0"})), {block + ".mlp.2"});
}

}  // namespace hotmic::onnx
