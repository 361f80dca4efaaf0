/// A Whisper model's numbers, out of whichever file they came, ready for building the graphs.
///
/// Tensors have the names of OpenAI's own code ("encoder.blocks.0.attn.query.weight"), which whisper.cpp's files keep;
/// those of other formats are translated, and CTranslate2's joined matrices taken apart.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "asr/providers/onnx/whisper/vocabulary.hpp"
#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"

namespace hotmic::onnx {

struct Dimensions {
    int vocabulary = 0;
    int mels = 0;
    int audio_frames = 0;  ///< the encoder's longest output: 1500, of 20 ms each
    int text_positions = 0;
    int width = 0;
    int heads = 0;
    int encoder_layers = 0;
    int decoder_layers = 0;

    /// "tiny", "base.en", …; "custom" for shapes nobody published.
    [[nodiscard]] std::string size_name() const;
};

/// The tensors that a model of these dimensions has, and their shapes.
[[nodiscard]] std::map<std::string, std::vector<std::int64_t>, std::less<>> expected_tensors(const Dimensions& d);

/// One tensor: numbers, or 8-bit integers with a scale for each row.
struct Tensor {
    std::vector<std::int64_t> shape;
    std::vector<float> values{};
    std::vector<std::int8_t> quantized{};  ///< where `values` is empty
    std::vector<float> scales{};           ///< value = quantized × the scale of its row

    [[nodiscard]] std::int64_t rows() const { return shape.front(); }
    [[nodiscard]] std::int64_t columns() const { return shape.back(); }
};

/// How matrices are held.
enum class Quantization : std::uint8_t {
    none,  ///< as floats
    int8,  ///< -127 to 127
    int7,  ///< -63 to 63: for processors whose sums of products of bytes saturate
};

/// `values` as rows of integers, each row with the scale that makes its largest value fit.
[[nodiscard]] Tensor quantized(std::vector<std::int64_t> shape, std::span<const float> values, Quantization how);

/// What `inspect` and `estimate` need: read from headers, in milliseconds.
struct WhisperFileInfo {
    Dimensions dimensions;
    std::string format;        ///< "ggml", "ctranslate2", "onnx (Hugging Face)" or "onnx (sherpa-onnx)"
    std::string quantization;  ///< of most of its weights, e.g. "f16"
    std::uint64_t size_bytes = 0;
    std::uint64_t tensors = 0;
    std::uint64_t parameters = 0;
    std::vector<std::string> languages{};
    std::map<std::string, std::string> files{};  ///< what each is, and its name; where there are several
};

/// Everything of a model but the engine.
struct WhisperWeights {
    Dimensions dimensions;
    WhisperFileInfo file;
    std::string sha256;              ///< of the weights' file; of several, of one after the other
    std::vector<float> mel_filters;  ///< mels × 201
    Vocabulary vocabulary;
    std::vector<Token> suppressed;
    std::vector<Token> suppressed_at_begin;
    std::vector<std::pair<int, int>> alignment_heads;  ///< decoder layer and head that follow the audio
    std::map<std::string, Tensor, std::less<>> tensors;

    /// Takes a tensor out. Present and of the right shape: that was checked.
    [[nodiscard]] Tensor take(const std::string& name) { return std::move(tensors.extract(name).mapped()); }
};

/// A file of whisper.cpp, a folder of CTranslate2 or the ONNX files of a folder. Errors: as of Provider::inspect.
[[nodiscard]] Result<WhisperFileInfo> inspect_whisper(const std::filesystem::path& path);

/// Reads the weights, once and front to back, and quantizes them as they come. Every tensor the shape calls for is
/// there, of the right shape and finite. Errors: as of Provider::load.
[[nodiscard]] Result<WhisperWeights> load_whisper(const std::filesystem::path& path, Quantization how,
                                                  LoadProgress& progress, const std::stop_token& stop);

}  // namespace hotmic::onnx
