/// What an ONNX export of Whisper says beside weights: its tokens.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asr/providers/onnx/whisper/onnx_file.hpp"
#include "asr/providers/onnx/whisper/onnx_layout.hpp"
#include "asr/providers/onnx/whisper/vocabulary.hpp"
#include "hotmic/error.hpp"

namespace hotmic::onnx {

/// What the format does not say is empty.
struct OnnxTokens {
    std::vector<std::string> vocabulary{};
    SpecialTokens special{};
    std::vector<Token> suppressed{};
    std::vector<Token> suppressed_at_begin{};
    std::vector<std::pair<int, int>> alignment_heads{};
};

/// From the files beside the graphs; of sherpa-onnx's also from the metadata of `encoder`. Errors: as of
/// Provider::inspect.
[[nodiscard]] Result<OnnxTokens> read_tokens(const OnnxLayout& layout, const OnnxFile& encoder);

/// model_corrupt, with the remedy for files of this format.
[[nodiscard]] std::unexpected<Error> damaged(const std::filesystem::path& file, std::string_view what);

}  // namespace hotmic::onnx
