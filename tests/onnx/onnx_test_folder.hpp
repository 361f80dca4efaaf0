/// Writes Whisper's weights as ONNX files in the layouts of Hugging Face and sherpa-onnx, out of a file of
/// whisper.cpp's.
///
/// Names and operators are those of real exports (tests/support/export_onnx.py runs the exporters); what no reader of
/// weights looks at, such as the attention between the matrices, is left out, so the graphs cannot be run.
#pragma once

#include <filesystem>
#include <string>

namespace hotmic::testing {

struct OnnxTestFolder {
    bool sherpa = false;  ///< else Hugging Face's
    std::string weights =
        "f32";              ///< of the matrices: f32, f16, 8-bit (MatMulInteger), 4-bit (MatMulNBits), nf4 (MatMulBnb4)
    std::string suffix{};   ///< behind the files' names
    bool merged = true;     ///< decoder_model_merged, with a branch for the first token; else decoder_model
    std::string outside{};  ///< file that holds the matrices' numbers; empty: the model's own
    std::string without{};  ///< a tensor, by OpenAI's name, that is left out
    bool named_nodes = true;  ///< else nothing says which matrix is which
};

/// `ggml`: a whole file with an official vocabulary. Throws where it cannot be read.
void write_onnx_folder(const std::filesystem::path& folder, const std::filesystem::path& ggml,
                       const OnnxTestFolder& how = {});

}  // namespace hotmic::testing
