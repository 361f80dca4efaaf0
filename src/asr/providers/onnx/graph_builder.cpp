#include "asr/providers/onnx/graph_builder.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <format>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "asr/providers/onnx/runtime.hpp"

namespace hotmic::onnx {
namespace {

constexpr int kOpset = 20;
constexpr std::size_t kSmallestExternal = 128;  // bytes: smaller constants must be the library's own
constexpr std::align_val_t kAlignment{64};

/// Frees constants when the session lets go of them. Stateless, so that it may outlive everything.
OrtAllocator* deleter() {
    struct Deleter : OrtAllocator {
        Deleter() : OrtAllocator{} {
            version = ORT_API_VERSION;
            OrtAllocator::Alloc = [](OrtAllocator*, std::size_t size) -> void* {
                return ::operator new(size, kAlignment, std::nothrow);
            };
            OrtAllocator::Free = [](OrtAllocator*, void* memory) { ::operator delete(memory, kAlignment); };
            OrtAllocator::Info = [](const OrtAllocator*) -> const OrtMemoryInfo* { return cpu_memory(); };
        }
    };
    static Deleter made;
    return &made;
}

Ort::ValueInfo describe(const std::string& name, ONNXTensorElementDataType type, std::span<const std::int64_t> shape) {
    std::vector<std::int64_t> sizes(shape.begin(), shape.end());
    std::vector<std::string> symbols(sizes.size());
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        if (sizes[i] >= 0) continue;
        symbols[i] = std::format("d{}", -sizes[i]);
        sizes[i] = -1;
    }
    const Ort::TensorTypeAndShapeInfo info(type, sizes, &symbols);
    return Ort::ValueInfo(name, Ort::TypeInfo::CreateTensorInfo(info.GetConst()).GetConst());
}

Ort::OpAttr attribute(const std::string& name, const AttributeValue& value) {
    if (const auto* number = std::get_if<std::int64_t>(&value)) return {name.c_str(), number, 1, ORT_OP_ATTR_INT};
    if (const auto* real = std::get_if<float>(&value)) return {name.c_str(), real, 1, ORT_OP_ATTR_FLOAT};
    const auto& numbers = std::get<std::vector<std::int64_t>>(value);
    return {name.c_str(), numbers.data(), static_cast<int>(numbers.size()), ORT_OP_ATTR_INTS};
}

template <class T>
constexpr ONNXTensorElementDataType kType = Ort::TypeToTensorType<T>::type;

}  // namespace

std::string GraphBuilder::fresh() {
    return std::format("v{}", names_++);
}

std::string GraphBuilder::input(const std::string& name, ONNXTensorElementDataType type,
                                std::span<const std::int64_t> shape) {
    inputs_.push_back(describe(name, type, shape));
    return name;
}

void GraphBuilder::output(const std::string& name, ONNXTensorElementDataType type,
                          std::span<const std::int64_t> shape) {
    outputs_.push_back(describe(name, type, shape));
}

template <class T>
std::string GraphBuilder::keep(std::vector<T> values, std::span<const std::int64_t> shape) {
    auto name = fresh();
    const auto bytes = values.size() * sizeof(T);
    if (bytes < kSmallestExternal) {
        Ort::AllocatorWithDefaultOptions allocator;
        auto value = Ort::Value::CreateTensor(allocator, shape.data(), shape.size(), kType<T>);
        std::ranges::copy(values, value.template GetTensorMutableData<T>());
        graph_.AddInitializer(name, value, false);
        return name;
    }
    auto* memory = deleter()->Alloc(deleter(), bytes);
    if (memory == nullptr) throw std::bad_alloc();
    std::memcpy(memory, values.data(), bytes);
    auto value = Ort::Value::CreateTensor(deleter(), memory, bytes, shape.data(), shape.size(), kType<T>);
    graph_.AddInitializer(name, value, true);
    return name;
}

std::string GraphBuilder::constant(std::vector<float> values, std::span<const std::int64_t> shape) {
    return keep(std::move(values), shape);
}
std::string GraphBuilder::constant(std::vector<std::int8_t> values, std::span<const std::int64_t> shape) {
    return keep(std::move(values), shape);
}
std::string GraphBuilder::constant(std::vector<std::int64_t> values) {
    const std::int64_t shape[]{static_cast<std::int64_t>(values.size())};
    return keep(std::move(values), shape);
}

std::string GraphBuilder::node(const std::string& operation, const std::vector<std::string>& inputs,
                               const Attributes& attributes, std::string_view domain) {
    auto made = fresh();
    node_into(operation, inputs, {made}, attributes, domain);
    return made;
}

void GraphBuilder::node_into(const std::string& operation, const std::vector<std::string>& inputs,
                             const std::vector<std::string>& outputs, const Attributes& attributes,
                             std::string_view domain) {
    std::vector<Ort::OpAttr> given;
    for (const auto& [name, value] : attributes) given.push_back(attribute(name, value));
    Ort::Node made(operation, std::string(domain), std::format("n{}", names_++), inputs, outputs, given);
    graph_.AddNode(made);
}

Ort::Session GraphBuilder::build(const Ort::SessionOptions& options) {
    graph_.SetInputs(inputs_);
    graph_.SetOutputs(outputs_);
    Ort::Model model({{"", kOpset}, {std::string(kRuntimeDomain), 1}, {std::string(kOurDomain), 1}});
    model.AddGraph(graph_);
    // A session made of a model in one step does not know operators of ours (1.23); one that begins with a model of
    // bytes, which may be as good as empty, does.
    auto session =
        Ort::Session::CreateModelEditorSession(environment(), empty_model().data(), empty_model().size(), options);
    session.FinalizeModelEditorSession(model, options, nullptr);
    return session;
}

}  // namespace hotmic::onnx
