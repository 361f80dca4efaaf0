/// What a ggml-whisper file says of itself, read without the engine: which trusts such files so far that a damaged one
/// makes it abort, allocate without bound, or load garbage "successfully".
///
/// Layout (whisper.cpp, models/convert-pt-to-ggml.py): magic, eleven dimensions, mel filters, vocabulary, then tensors
/// until the end of the file, each {dims, name length, type, shape, name, data}. All numbers are little-endian int32.
#pragma once

#include <cstdint>
#include <filesystem>
#include <istream>
#include <string>
#include <vector>

#include "asr/whisper/weight_reader.hpp"
#include "hotmic/error.hpp"

namespace hotmic::whisper {

struct ModelHeader {
    std::int32_t n_vocab = 0;
    std::int32_t n_audio_ctx = 0;
    std::int32_t n_audio_state = 0;
    std::int32_t n_audio_head = 0;
    std::int32_t n_audio_layer = 0;
    std::int32_t n_text_ctx = 0;
    std::int32_t n_text_state = 0;
    std::int32_t n_text_head = 0;
    std::int32_t n_text_layer = 0;
    std::int32_t n_mels = 0;
    std::int32_t ftype = 0;

    /// Vocabularies from this size on carry language tokens.
    [[nodiscard]] bool multilingual() const noexcept { return n_vocab >= 51865; }
    /// "tiny", "base", …; "large-v3-turbo" and the like; "custom" for shapes nobody published.
    [[nodiscard]] std::string size_name() const;
    /// "f16", "q5_0", …
    [[nodiscard]] std::string quantization() const;
};

/// One tensor of the file's directory. Its numbers are the extent of `FileLayout::data` at the same index.
struct GgmlTensor {
    std::string name;
    std::int32_t type = 0;              ///< a ggml_type
    std::vector<std::int64_t> shape{};  ///< outermost dimension first
};

struct ModelFile : FileLayout {
    ModelHeader header{};
    std::uint64_t tensor_bytes = 0;
    std::uint64_t parameters = 0;
    std::vector<GgmlTensor> directory{};
    std::vector<float> mel_filters{};       ///< n_mels × 201, row by row
    std::vector<std::string> vocabulary{};  ///< the bytes of each ordinary token, by id
};

/// Walks the whole file without reading tensor data: every dimension sane, every tensor one the shape calls for, the
/// last one ending where the file does. Takes at most a few megabytes, whatever a file says of itself. Errors:
/// model_not_recognized, model_unsupported, model_truncated, model_corrupt. `name` is used in messages.
[[nodiscard]] Result<ModelFile> read_model_file(std::istream& in, std::uint64_t size_bytes, const std::string& name);

/// The same for a path. Also: model_file_missing, model_file_unreadable, io_error (the disk failed).
[[nodiscard]] Result<ModelFile> read_model_file(const std::filesystem::path& path);

}  // namespace hotmic::whisper
