/// Where Whisper's weights are in a pair of ONNX graphs.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "asr/providers/onnx/whisper/onnx_file.hpp"
#include "asr/providers/onnx/whisper/onnx_weight.hpp"

namespace hotmic::onnx {

/// A tensor in one of the two files.
struct Place {
    const OnnxFile* file = nullptr;
    OnnxWeight weight{};
};
using Places = std::map<std::string, Place, std::less<>>;

/// Finds the tensors of one side ("encoder", "decoder") in its file, which outlives the places, and adds them to `into`
/// by OpenAI's names.
void find_places(const OnnxFile& file, const std::string& side, Places& into);

}  // namespace hotmic::onnx
