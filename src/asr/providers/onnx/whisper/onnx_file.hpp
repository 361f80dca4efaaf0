/// What an ONNX file holds, without its weights: nodes, tensors and where their numbers are.
///
/// The file is never given to ONNX Runtime: weights are taken out of it and computed with in graphs of our own, so
/// nothing that a stranger's graph says is executed. Messages of protobuf are walked front to back; tensors' numbers
/// are passed over.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "asr/whisper/weight_reader.hpp"
#include "hotmic/error.hpp"

namespace hotmic::onnx {

/// ONNX's TensorProto.DataType, those that weights have.
enum class OnnxType : std::uint8_t {
    float32 = 1,
    uint8 = 2,
    int8 = 3,
    int32 = 6,
    int64 = 7,
    float16 = 10,
    bfloat16 = 16,
    other = 0,
};

struct OnnxTensor {
    std::string name{};
    OnnxType type = OnnxType::other;
    std::vector<std::int64_t> shape{};
    whisper::Extent numbers{};             ///< of the file, or of the one beside it that `beside` names
    std::string beside{};                  ///< empty: in the file itself
    std::vector<std::int64_t> integers{};  ///< the few that are written as such in place of `numbers`

    [[nodiscard]] std::uint64_t count() const;
};

struct OnnxNode {
    std::string name{};
    std::string op{};
    std::vector<std::string> inputs{};  ///< empty: left out
    std::vector<std::string> outputs{};
    std::map<std::string, std::int64_t, std::less<>> integers{};  ///< attributes that are integers
};

struct OnnxGraph {
    int parent = -1;  ///< whose tensors are visible here too; -1: none
    std::vector<std::string> inputs{};
    std::vector<std::string> outputs{};
    std::vector<OnnxNode> nodes{};
    std::map<std::string, OnnxTensor, std::less<>> tensors{};  ///< initializers and constants, by name
};

struct OnnxFile {
    std::filesystem::path path{};
    std::uint64_t size_bytes = 0;
    std::map<std::string, std::string, std::less<>> metadata{};
    std::vector<OnnxGraph> graphs{};              ///< the file's own first, then those within it (branches of an If)
    std::vector<std::filesystem::path> beside{};  ///< files with its tensors' numbers
};

/// Every length is within the file, every tensor's numbers are where they should be and as many as its shape says; a
/// file beside it is in the same folder. Takes a few megabytes whatever the file says. Errors: model_file_missing,
/// model_file_unreadable, model_not_recognized, model_truncated, model_corrupt, model_unsupported.
[[nodiscard]] Result<OnnxFile> read_onnx_file(const std::filesystem::path& path);

/// The numbers as they are written: integers stay what they are. Errors: io_error, model_truncated, model_unsupported.
[[nodiscard]] Result<std::vector<float>> numbers_of(const OnnxFile& file, const OnnxTensor& tensor);

}  // namespace hotmic::onnx
