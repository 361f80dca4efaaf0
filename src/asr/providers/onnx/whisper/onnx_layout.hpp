/// Which files of a folder are a Whisper model in ONNX, in the two layouts that are published.
///
///   Hugging Face (optimum, transformers.js): [onnx/]encoder_model*.onnx with decoder_model_merged*.onnx or
///                 decoder_model*.onnx, and tokenizer.json, generation_config.json beside or above
///   sherpa-onnx:  NAME-encoder*.onnx, NAME-decoder*.onnx, NAME-tokens.txt
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "hotmic/error.hpp"

namespace hotmic::onnx {

struct OnnxLayout {
    enum class Kind : std::uint8_t { huggingface, sherpa };
    Kind kind = Kind::huggingface;
    std::filesystem::path encoder{};
    std::filesystem::path decoder{};
    std::filesystem::path tokens{};  ///< tokenizer.json, or …-tokens.txt
};

/// A folder, or one of the .onnx files in it: then those of its kind of weights. Of several kinds in a folder the most
/// exact is taken. Nothing where it is neither. Errors: model_file_missing for half of one.
[[nodiscard]] Result<std::optional<OnnxLayout>> find_onnx_layout(const std::filesystem::path& path);

}  // namespace hotmic::onnx
