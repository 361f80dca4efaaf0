/// Models on ONNX Runtime, on the CPU: Whisper out of whisper.cpp's files and CTranslate2's folders, with 8-bit
/// arithmetic; streaming transducers out of sherpa-onnx's folders.
#pragma once

#include <memory>

#include "hotmic/provider.hpp"

namespace hotmic::onnx {

[[nodiscard]] std::shared_ptr<Provider> make_provider();

}  // namespace hotmic::onnx
