#include "asr/providers/onnx/whisper/onnx_places.hpp"

#include <algorithm>
#include <cstddef>
#include <format>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "asr/providers/onnx/whisper/onnx_file.hpp"
#include "asr/providers/onnx/whisper/onnx_names.hpp"
#include "asr/providers/onnx/whisper/onnx_weight.hpp"

namespace hotmic::onnx {
namespace {

/// Finds the tensors of one side ("encoder", "decoder") in its file. `into`: by OpenAI's names.
class Finding {
public:
    Finding(const OnnxFile& file, std::string side, Places& into)
        : file_(file), scope_(file, best_graph(file)), side_(std::move(side)), into_(into) {}

    void run() {
        for (const auto* tensor : scope_.tensors()) named(*tensor);
        int convolutions = 0;
        for (const auto& node : scope_.graph().nodes) {
            if (node.op == "Conv" || node.op == "ConvInteger") {
                if (auto weight = node.inputs.size() < 2 ? std::nullopt : scope_.weight(node.inputs[1])) {
                    const auto name = std::format("encoder.conv{}", ++convolutions);
                    put(name + ".weight", *weight);
                    if (auto bias =
                            node.op != "Conv" || node.inputs.size() < 3 ? std::nullopt : scope_.weight(node.inputs[2]))
                        put(name + ".bias", *bias);
                }
            } else {
                multiplied(node);
            }
        }
    }

private:
    /// Of the graphs in a file (a merged decoder has one for the first token and one for those after it) the one with
    /// most matrices: only the first token's looks at the audio.
    static std::size_t best_graph(const OnnxFile& file) {
        std::size_t best = 0;
        std::ptrdiff_t most = -1;
        for (std::size_t i = 0; i < file.graphs.size(); ++i) {
            const auto products = std::ranges::count_if(file.graphs[i].nodes, [](const OnnxNode& node) {
                return node.op.starts_with("MatMul") && matrix_at(node.name);
            });
            if (products <= most) continue;
            most = products;
            best = i;
        }
        return best;
    }

    void put(const std::string& name, const OnnxWeight& weight) { into_.emplace(name, Place{&file_, weight}); }

    void named(const OnnxTensor& tensor) {
        const auto name = kept_name(tensor.name, side_);
        if (!name) return;
        if (auto weight = scope_.weight_named(tensor.name)) put(*name, *weight);
    }

    void multiplied(const OnnxNode& node) {
        const auto weight = scope_.matrix_of(node);
        if (!weight) return;
        auto matrix = matrix_at(node.name);
        if (!matrix) matrix = matrix_at(weight->values->name);
        if (!matrix) return;
        if (!matrix->layer) count(*matrix);
        const bool attention = !matrix->role.starts_with("mlp");
        const auto name = std::format("{}.blocks.{}.{}{}", matrix->cross ? "decoder" : side_, *matrix->layer,
                                      attention ? (matrix->cross ? "cross_attn." : "attn.") : "", matrix->role);
        put(name + ".weight", *weight);
        if (auto bias = scope_.bias_of(node)) put(name + ".bias", *bias);
    }

    /// The layer of a matrix whose path has none: in sherpa-onnx's encoder those are keys and values of the decoder's
    /// cross-attention, in its decoder each layer has two queries and outputs, the second of the cross-attention.
    void count(MatrixName& matrix) {
        auto& before = counted_[matrix.role];
        const int index = before.contains(matrix.index) ? *before.rbegin() + 1 : matrix.index;
        before.insert(index);
        const bool twice = side_ == "decoder" && (matrix.role == "query" || matrix.role == "out");
        matrix.layer = twice ? index / 2 : index;
        matrix.cross = side_ == "encoder" ? matrix.role == "key" || matrix.role == "value" : twice && index % 2 == 1;
    }

    const OnnxFile& file_;
    const OnnxScope scope_;
    const std::string side_;
    Places& into_;
    std::map<std::string, std::set<int>, std::less<>> counted_;  // of each role, which there were
};

}  // namespace

void find_places(const OnnxFile& file, const std::string& side, Places& into) {
    Finding(file, side, into).run();
}

}  // namespace hotmic::onnx
