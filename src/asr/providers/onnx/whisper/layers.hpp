/// The pieces that Whisper's encoder and decoder are both made of, as nodes of a graph.
#pragma once

#include <string>
#include <vector>

#include "asr/providers/onnx/graph_builder.hpp"
#include "asr/providers/onnx/whisper/weights.hpp"

namespace hotmic::onnx {

/// Takes the tensors out of `weights` that it makes nodes of.
class Layers {
public:
    Layers(GraphBuilder& graph, WhisperWeights& weights) : graph_(graph), weights_(weights) {}

    /// x · Wᵀ + b, for the matrices of these names one below the other: their outputs stand side by side. A matrix
    /// without a bias adds nothing.
    std::string linear(const std::string& x, const std::vector<std::string>& names);
    /// The same for one matrix that is not taken from the weights.
    std::string linear(const std::string& x, const Tensor& matrix);

    std::string normalized(const std::string& x, const std::string& name);
    struct Residual {
        std::string normalized;
        std::string sum;
    };
    /// x + added, and that normalized.
    Residual add_and_normalize(const std::string& x, const std::string& added, const std::string& name);
    std::string gelu(const std::string& x);
    std::string feed_forward(const std::string& x, const std::string& block);

private:
    std::string multiply(const std::string& x, const std::vector<const Tensor*>& matrices, std::vector<float> bias);

    GraphBuilder& graph_;
    WhisperWeights& weights_;
};

}  // namespace hotmic::onnx
