/// Builds an ONNX graph in memory, node by node, and makes a session of it (the runtime's model editor).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "asr/providers/onnx/runtime.hpp"

namespace hotmic::onnx {

/// An attribute of a node.
using AttributeValue = std::variant<std::int64_t, float, std::vector<std::int64_t>>;
using Attributes = std::vector<std::pair<std::string, AttributeValue>>;

/// Operators beyond ONNX's own that the runtime brings.
inline constexpr std::string_view kRuntimeDomain = "com.microsoft";
/// Operators of ours.
inline constexpr const char* kOurDomain = "hotmic";

/// Names of values: "" is an input or output left out. Throws what the library throws; use within `guarded`.
class GraphBuilder {
public:
    GraphBuilder() = default;

    /// A dimension below 0 is free; those with the same number are of the same size.
    std::string input(const std::string& name, ONNXTensorElementDataType type, std::span<const std::int64_t> shape);
    void output(const std::string& name, ONNXTensorElementDataType type, std::span<const std::int64_t> shape);

    /// Constants. The session takes over the memory and frees what it has no more use for.
    std::string constant(std::vector<float> values, std::span<const std::int64_t> shape);
    std::string constant(std::vector<std::int8_t> values, std::span<const std::int64_t> shape);
    std::string constant(std::vector<std::int64_t> values);
    std::string constant(std::vector<float> values) {
        const std::int64_t shape[]{static_cast<std::int64_t>(values.size())};
        return constant(std::move(values), shape);
    }

    /// A node with one output, whose name is returned.
    std::string node(const std::string& operation, const std::vector<std::string>& inputs,
                     const Attributes& attributes = {}, std::string_view domain = "");
    /// A node with these outputs.
    void node_into(const std::string& operation, const std::vector<std::string>& inputs,
                   const std::vector<std::string>& outputs, const Attributes& attributes = {},
                   std::string_view domain = "");
    /// A name that nothing has yet.
    std::string fresh();

    /// The session; the builder is spent then. `options` must register the operators of `kOurDomain` that are used.
    [[nodiscard]] Ort::Session build(const Ort::SessionOptions& options);

private:
    template <class T>
    std::string keep(std::vector<T> values, std::span<const std::int64_t> shape);

    Ort::Graph graph_;
    std::vector<Ort::ValueInfo> inputs_;
    std::vector<Ort::ValueInfo> outputs_;
    int names_ = 0;
};

}  // namespace hotmic::onnx
