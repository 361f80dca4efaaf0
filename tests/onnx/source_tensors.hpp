/// All numbers of a model, for those who write it down in another layout.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "asr/providers/onnx/whisper/source.hpp"

namespace hotmic::testing {

struct Numbers {
    std::vector<std::int64_t> shape;
    std::vector<float> values;
};
using Tensors = std::map<std::string, Numbers>;

/// Throws where the source cannot be read.
[[nodiscard]] Tensors tensors_of(onnx::WhisperSource& source);

}  // namespace hotmic::testing
