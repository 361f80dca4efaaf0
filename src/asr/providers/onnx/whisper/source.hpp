/// A file or folder that holds a Whisper model: what of it depends on the format.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "asr/providers/onnx/whisper/onnx_layout.hpp"
#include "asr/providers/onnx/whisper/vocabulary.hpp"
#include "asr/providers/onnx/whisper/weights.hpp"
#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"

namespace hotmic::onnx {

class WhisperSource {
public:
    /// Takes one tensor under OpenAI's name for it.
    using TakeTensor = std::function<Result<void>(const std::string& name, const std::vector<std::int64_t>& shape,
                                                  std::vector<float>)>;

    virtual ~WhisperSource() = default;

    [[nodiscard]] virtual const WhisperFileInfo& info() const = 0;
    /// Every tensor, in the file's order; then the file's SHA-256 (of several files, of one after the other). Errors:
    /// those of `take` and WeightReader::verdict.
    [[nodiscard]] virtual Result<std::string> read(LoadProgress& progress, const std::stop_token& stop,
                                                   const TakeTensor& take) = 0;
    [[nodiscard]] virtual Result<Vocabulary> vocabulary() const = 0;
    [[nodiscard]] virtual std::vector<float> mel_filters() const = 0;
    // What the format does not say is empty.
    [[nodiscard]] virtual std::vector<Token> suppressed() const { return {}; }
    [[nodiscard]] virtual std::vector<Token> suppressed_at_begin() const { return {}; }
    [[nodiscard]] virtual std::vector<std::pair<int, int>> alignment_heads() const { return {}; }
};

/// Checks the file's structure. Errors: as of Provider::inspect.
[[nodiscard]] Result<std::unique_ptr<WhisperSource>> open_source(const std::filesystem::path& path);
[[nodiscard]] Result<std::unique_ptr<WhisperSource>> open_ggml_source(const std::filesystem::path& path);
[[nodiscard]] Result<std::unique_ptr<WhisperSource>> open_ct2_source(const std::filesystem::path& path);
[[nodiscard]] Result<std::unique_ptr<WhisperSource>> open_onnx_source(const OnnxLayout& layout);

/// Refuses dimensions that no Whisper model has, so that nothing is allocated for them. Errors: model_corrupt.
[[nodiscard]] Result<void> check_dimensions(const Dimensions& dimensions, const std::string& name);

}  // namespace hotmic::onnx
