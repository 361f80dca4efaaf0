#include "asr/providers/onnx/whisper/onnx_weight.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <format>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "asr/providers/onnx/whisper/onnx_file.hpp"
#include "hotmic/error.hpp"

namespace hotmic::onnx {
namespace {

/// Between two operators that belong together there are at most so many that only pass on.
constexpr int kMostBetween = 5;
constexpr std::string_view kQuantized = "_quantized";

/// Quantiles of the normal distribution (Dettmers et al., QLoRA, appendix E).
constexpr std::array<float, 16> kNormalFloats{
    -1.0F,      -0.6961928F, -0.52507305F, -0.3949175F, -0.28444138F, -0.18477343F, -0.09105004F, 0.0F,
    0.0795803F, 0.1609302F,  0.2461123F,   0.33791524F, 0.44070983F,  0.562617F,    0.72295684F,  1.0F};

std::unexpected<Error> misfit(const OnnxFile& file, const OnnxTensor& tensor) {
    return fail(ErrorCode::model_corrupt,
                std::format("the scales of {} in {} do not fit it", tensor.name, file.path.string()),
                "download or export the model again", "path");
}

std::vector<float> turned(const std::vector<float>& values, std::size_t rows, std::size_t columns) {
    std::vector<float> made(values.size());
    for (std::size_t row = 0; row < rows; ++row)
        for (std::size_t column = 0; column < columns; ++column)
            made[column * rows + row] = values[row * columns + column];
    return made;
}

/// (integer - zero) × scale, in place. `after`: how many numbers share an index along the axis that scales differ by.
bool scale(std::vector<float>& values, const std::vector<float>& scales, const std::vector<float>& zeros,
           std::size_t extent, std::size_t after) {
    const auto fits = [&](std::size_t count) { return count == 1 || count == extent; };
    if (!fits(scales.size()) || (!zeros.empty() && !fits(zeros.size())) || extent == 0) return false;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const auto at = i / after % extent;
        const float zero = zeros.empty() ? 0 : zeros[zeros.size() == 1 ? 0 : at];
        values[i] = (values[i] - zero) * scales[scales.size() == 1 ? 0 : at];
    }
    return true;
}

}  // namespace

std::vector<std::int64_t> OnnxWeight::shape() const {
    if (packing == Packing::blocks || packing == Packing::nf4) return {rows, columns};
    auto made = values->shape;
    if (transposed && made.size() == 2) std::swap(made[0], made[1]);
    return made;
}

std::string OnnxWeight::type() const {
    switch (packing) {
        case Packing::blocks:
            return std::format("{}-bit", bits);
        case Packing::nf4:
            return "4-bit";
        case Packing::linear:
            return "8-bit";
        case Packing::plain:
            break;
    }
    return values->type == OnnxType::float16 ? "f16" : values->type == OnnxType::bfloat16 ? "bf16" : "f32";
}

std::uint64_t OnnxWeight::bytes() const {
    return values->numbers.size + (scales == nullptr ? 0 : scales->numbers.size);
}

Result<std::vector<float>> OnnxWeight::read(const OnnxFile& file) const {
    auto numbers = numbers_of(file, *values);
    if (!numbers) return numbers;
    std::vector<float> factors;
    std::vector<float> offsets;
    for (const auto& [from, into] : {std::pair{scales, &factors}, {zeros, &offsets}}) {
        if (from == nullptr) continue;
        auto read = numbers_of(file, *from);
        if (!read) return read;
        *into = *std::move(read);
    }
    const auto& written = values->shape;
    if (packing == Packing::linear) {
        const auto rank = static_cast<int>(written.size());
        const int along = axis < 0 ? rank + axis : axis;
        if (rank == 0 || along < 0 || along >= rank) return misfit(file, *values);
        std::size_t after = 1;
        for (int i = along + 1; i < rank; ++i) after *= static_cast<std::size_t>(written[static_cast<std::size_t>(i)]);
        if (!scale(*numbers, factors, offsets, static_cast<std::size_t>(written[static_cast<std::size_t>(along)]),
                   after))
            return misfit(file, *values);
    } else if (packing != Packing::plain) {
        // Bytes of indices: of each row by itself (blocks), or of all numbers in a row (nf4).
        const auto wide = static_cast<std::size_t>(columns);
        const auto high = static_cast<std::size_t>(rows);
        const auto size = static_cast<std::size_t>(block);
        if (rows < 1 || columns < 1 || block < 1 || rows > (1 << 20) || columns > (1 << 20) || block > (1 << 20))
            return misfit(file, *values);
        const auto& packed = *numbers;
        if (packed.size() * 2 < high * wide) return misfit(file, *values);  // before anything is made of that size
        std::vector<float> made(high * wide);
        const auto nibble = [&](std::size_t index, bool high_first) {
            const auto byte = static_cast<unsigned>(packed[index / 2]);
            return (index % 2 == 0) == high_first ? byte >> 4U : byte & 15U;
        };
        if (packing == Packing::nf4) {
            if (factors.size() * size < made.size()) return misfit(file, *values);
            for (std::size_t i = 0; i < made.size(); ++i) made[i] = kNormalFloats[nibble(i, true)] * factors[i / size];
        } else {
            const auto blocks = (wide + size - 1) / size;
            const auto per_byte = static_cast<std::size_t>(8 / std::max<std::int64_t>(bits, 1));
            if ((bits != 4 && bits != 8) || packed.size() * per_byte < high * blocks * size ||
                factors.size() < high * blocks)
                return misfit(file, *values);
            // Zeros are packed like the weights, or are floats.
            const bool packed_zeros = zeros != nullptr && zeros->type == OnnxType::uint8;
            const auto zero_bytes = packed_zeros && bits == 4 ? (blocks + 1) / 2 : blocks;
            if (zeros != nullptr && offsets.size() < high * zero_bytes) return misfit(file, *values);
            const auto zero_of = [&](std::size_t row, std::size_t at) -> float {
                if (zeros == nullptr) return bits == 4 ? 8 : 128;
                if (!packed_zeros || bits == 8) return offsets[row * blocks + at];
                const auto byte = static_cast<unsigned>(offsets[row * zero_bytes + at / 2]);
                return static_cast<float>(at % 2 == 0 ? byte & 15U : byte >> 4U);
            };
            for (std::size_t row = 0; row < high; ++row) {
                for (std::size_t column = 0; column < wide; ++column) {
                    const auto at = column / size;
                    const auto index = (row * blocks + at) * size + column % size;
                    const float value = bits == 4 ? static_cast<float>(nibble(index, false)) : packed[index];
                    made[row * wide + column] = (value - zero_of(row, at)) * factors[row * blocks + at];
                }
            }
        }
        return made;
    }
    if (!transposed || written.size() != 2) return numbers;
    return turned(*numbers, static_cast<std::size_t>(written[0]), static_cast<std::size_t>(written[1]));
}

OnnxScope::OnnxScope(const OnnxFile& file, std::size_t graph) : file_(file), graph_(&file.graphs[graph]) {
    for (const auto& node : graph_->nodes)
        for (const auto& input : node.inputs) users_[input].push_back(&node);
    for (auto at = static_cast<int>(graph); at >= 0; at = file.graphs[static_cast<std::size_t>(at)].parent) {
        for (const auto& node : file.graphs[static_cast<std::size_t>(at)].nodes)
            for (const auto& output : node.outputs) makers_.emplace(output, &node);
    }
}

const OnnxTensor* OnnxScope::tensor(const std::string& name) const {
    for (const auto* graph = graph_;; graph = &file_.graphs[static_cast<std::size_t>(graph->parent)]) {
        if (const auto found = graph->tensors.find(name); found != graph->tensors.end()) return &found->second;
        if (graph->parent < 0) return nullptr;
    }
}

std::vector<const OnnxTensor*> OnnxScope::tensors() const {
    std::vector<const OnnxTensor*> all;
    for (const auto* graph = graph_;; graph = &file_.graphs[static_cast<std::size_t>(graph->parent)]) {
        for (const auto& [name, each] : graph->tensors) all.push_back(&each);
        if (graph->parent < 0) return all;
    }
}

const OnnxNode* OnnxScope::maker(const std::string& output) const {
    const auto found = makers_.find(output);
    return found == makers_.end() ? nullptr : found->second;
}

std::optional<OnnxWeight> OnnxScope::weight_named(const std::string& name) const {
    if (!name.ends_with(kQuantized)) {
        const auto* values = tensor(name);
        return values == nullptr ? std::nullopt : std::optional(OnnxWeight{.values = values});
    }
    const auto base = name.substr(0, name.size() - kQuantized.size());
    OnnxWeight made{.values = tensor(name),
                    .scales = tensor(base + "_scale"),
                    .zeros = tensor(base + "_zero_point"),
                    .packing = OnnxWeight::Packing::linear};
    if (made.values == nullptr || made.scales == nullptr) return std::nullopt;
    return made;
}

std::optional<OnnxWeight> OnnxScope::weight(const std::string& input) const {
    bool transposed = false;
    auto name = input;
    for (int i = 0; i < kMostBetween && !name.empty(); ++i) {
        if (auto found = weight_named(name)) {
            found->transposed = transposed;
            return found;
        }
        const auto* node = maker(name);
        if (node == nullptr || node->inputs.empty()) return std::nullopt;
        if (node->op == "DequantizeLinear" && node->inputs.size() >= 2) {
            OnnxWeight made{.values = tensor(node->inputs[0]),
                            .scales = tensor(node->inputs[1]),
                            .packing = OnnxWeight::Packing::linear,
                            .axis = 1,
                            .transposed = transposed};
            if (node->inputs.size() > 2) made.zeros = tensor(node->inputs[2]);
            if (const auto axis = node->integers.find("axis"); axis != node->integers.end())
                made.axis = static_cast<int>(axis->second);
            if (made.values == nullptr || made.scales == nullptr) return std::nullopt;
            return made;
        }
        if (node->op == "Transpose")
            transposed = !transposed;
        else if (node->op != "Cast" && node->op != "Identity")
            return std::nullopt;
        name = node->inputs[0];
    }
    return std::nullopt;
}

std::optional<OnnxWeight> OnnxScope::matrix_of(const OnnxNode& node) const {
    const auto input = [&](std::size_t index) -> const std::string& {
        static const std::string none;
        return index < node.inputs.size() ? node.inputs[index] : none;
    };
    const auto integer = [&](std::string_view name, std::int64_t without) {
        const auto found = node.integers.find(name);
        return found == node.integers.end() ? without : found->second;
    };
    if (node.op == "MatMul" || node.op == "Gemm" || node.op == "MatMulInteger") {
        auto made = weight(input(1));
        if (!made || made->shape().size() != 2) return std::nullopt;
        if (node.op == "Gemm" && integer("transB", 0) != 0) return made;
        made->transposed = !made->transposed;
        return made;
    }
    if (node.op == "DynamicQuantizeMatMul") {
        OnnxWeight made{.values = tensor(input(1)),
                        .scales = tensor(input(2)),
                        .zeros = tensor(input(3)),
                        .packing = OnnxWeight::Packing::linear,
                        .transposed = true};
        if (made.values == nullptr || made.scales == nullptr) return std::nullopt;
        return made;
    }
    const bool blocks = node.op == "MatMulNBits";
    if (!blocks && node.op != "MatMulBnb4") return std::nullopt;
    if (!blocks && integer("quant_type", 1) != 1) return std::nullopt;  // 4-bit floats
    OnnxWeight made{.values = tensor(input(1)),
                    .scales = tensor(input(2)),
                    .zeros = blocks ? tensor(input(3)) : nullptr,
                    .packing = blocks ? OnnxWeight::Packing::blocks : OnnxWeight::Packing::nf4,
                    .rows = integer("N", 0),
                    .columns = integer("K", 0),
                    .bits = integer("bits", 4),
                    .block = integer("block_size", 0)};
    if (made.values == nullptr || made.scales == nullptr) return std::nullopt;
    return made;
}

std::optional<OnnxWeight> OnnxScope::bias_of(const OnnxNode& node) const {
    const auto is_bias = [](const std::optional<OnnxWeight>& found) {
        return found && found->values->shape.size() == 1;
    };
    const std::size_t own = node.op == "Gemm" ? 2 : node.op == "DynamicQuantizeMatMul" ? 4 : 5;
    if (node.op != "MatMul" && node.op != "MatMulInteger" && node.op != "MatMulBnb4" && node.inputs.size() > own) {
        if (auto found = weight(node.inputs[own]); is_bias(found)) return found;
    }
    const auto* name = node.outputs.empty() ? nullptr : &node.outputs.front();
    for (int i = 0; i < kMostBetween && name != nullptr; ++i) {
        const auto users = users_.find(*name);
        if (users == users_.end()) return std::nullopt;
        const auto* passed_on = static_cast<const std::string*>(nullptr);
        for (const auto* user : users->second) {
            if (user->op == "Add") {
                for (const auto& input : user->inputs)
                    if (auto found = weight(input); input != *name && is_bias(found)) return found;
            }
            if ((user->op == "Cast" || user->op == "Mul") && !user->outputs.empty()) passed_on = &user->outputs.front();
        }
        name = passed_on;
    }
    return std::nullopt;
}

}  // namespace hotmic::onnx
