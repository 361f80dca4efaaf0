/// Looks at an ONNX file before ONNX Runtime does.
///
/// A model says where the numbers of its tensors are. ONNX Runtime 1.23 believes that: it opens whatever file is named,
/// and takes a certain name for an address in this process. So everything in a file that can name a place is looked at
/// here, wherever the format allows it to stand, and what leads out of the model's folder is refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "hotmic/error.hpp"

namespace hotmic::onnx {

/// An input or output of a model.
struct ModelValue {
    std::string name{};
    int type = 0;                       ///< TensorProto.DataType: 1 float, 6 int32, 7 int64, …; 0: not a tensor
    std::vector<std::int64_t> shape{};  ///< below 0: any
};

inline constexpr int kOnnxFloat = 1;
inline constexpr int kOnnxInt32 = 6;
inline constexpr int kOnnxInt64 = 7;

/// What an ONNX file says of itself.
struct ModelFacts {
    std::map<std::string, std::string> metadata{};
    std::vector<ModelValue> inputs{};  ///< in order, without those that are constants
    std::vector<ModelValue> outputs{};
    std::uint64_t size_bytes = 0;  ///< with the files beside it
    std::uint64_t tensors = 0;     ///< constants
    std::uint64_t parameters = 0;  ///< numbers in them
    bool has_bytes = false;        ///< some constants are 8-bit integers of more than one number
    bool has_files_beside = false;
};

/// Looks at the whole of `model`, which is the file at `path`; reads none of its numbers. Errors: model_not_recognized,
/// model_truncated, model_corrupt (damage; a place outside of the folder, or beyond the end of a file in it).
[[nodiscard]] Result<ModelFacts> check_model(std::span<const std::byte> model, const std::filesystem::path& path);

}  // namespace hotmic::onnx
