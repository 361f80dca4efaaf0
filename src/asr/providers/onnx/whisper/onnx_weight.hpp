/// One weight of an ONNX graph, however the exporter has written it: plain, transposed, or in 8 or 4 bits with scales.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "asr/providers/onnx/whisper/onnx_file.hpp"
#include "hotmic/error.hpp"

namespace hotmic::onnx {

struct OnnxWeight {
    enum class Packing : std::uint8_t {
        plain,   ///< numbers
        linear,  ///< integers: (integer - zero) × scale, one of each for all or for each row or column
        blocks,  ///< MatMulNBits: rows in blocks of 4- or 8-bit integers, a scale for each block
        nf4,  ///< MatMulBnb4: blocks of 4-bit indices into the table of "normal floats", their largest value for each
    };
    const OnnxTensor* values = nullptr;
    const OnnxTensor* scales = nullptr;
    const OnnxTensor* zeros = nullptr;  ///< null: none
    Packing packing = Packing::plain;
    int axis = -1;  ///< of `linear`, along which scales differ; -1: the last
    // Of the packed forms.
    std::int64_t rows = 0;
    std::int64_t columns = 0;
    std::int64_t bits = 4;
    std::int64_t block = 0;
    bool transposed = false;  ///< as written it is the other way round

    /// Of what `read` gives.
    [[nodiscard]] std::vector<std::int64_t> shape() const;
    /// "f32", "f16", "8-bit", "4-bit" and the like.
    [[nodiscard]] std::string type() const;
    [[nodiscard]] std::uint64_t bytes() const;
    /// As floats, the right way round. Errors: as numbers_of; model_corrupt where scales do not fit.
    [[nodiscard]] Result<std::vector<float>> read(const OnnxFile& file) const;
};

/// A graph within a file, and how its tensors hang together.
class OnnxScope {
public:
    /// `file` must outlive this.
    OnnxScope(const OnnxFile& file, std::size_t graph);

    [[nodiscard]] const OnnxGraph& graph() const { return *graph_; }
    /// A tensor that this graph sees; null: there is none.
    [[nodiscard]] const OnnxTensor* tensor(const std::string& name) const;
    /// All that it sees, by name.
    [[nodiscard]] std::vector<const OnnxTensor*> tensors() const;

    /// What stands at an input, seen through casts, transpositions and the like; nothing where it is computed.
    [[nodiscard]] std::optional<OnnxWeight> weight(const std::string& input) const;
    /// The same under the names of ONNX Runtime's quantizer: NAME, or NAME_quantized with NAME_scale and
    /// NAME_zero_point.
    [[nodiscard]] std::optional<OnnxWeight> weight_named(const std::string& name) const;
    /// The matrix that a node multiplies with, as [out, in]; nothing for other nodes.
    [[nodiscard]] std::optional<OnnxWeight> matrix_of(const OnnxNode& node) const;
    /// The bias that is added to the product of such a node; nothing where there is none.
    [[nodiscard]] std::optional<OnnxWeight> bias_of(const OnnxNode& node) const;

private:
    [[nodiscard]] const OnnxNode* maker(const std::string& output) const;

    const OnnxFile& file_;
    const OnnxGraph* graph_;
    std::map<std::string, std::vector<const OnnxNode*>, std::less<>> users_;  // of a name, in this graph
    std::map<std::string, const OnnxNode*, std::less<>> makers_;              // in this graph and its parents
};

}  // namespace hotmic::onnx
