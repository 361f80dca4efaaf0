/// What a CTranslate2 folder of Whisper says of itself: the layout in which faster-whisper's models are published.
///
/// Layout of `model.bin` (CTranslate2, python/ctranslate2/specs/model_spec.py, version 6): version, name and revision
/// of the specification, then the variables, each {name, rank, shape, type, bytes, numbers}, then aliases, each {name,
/// name of the variable}. Names are {uint16 length, characters, NUL}; all numbers are little-endian.
/// Beside it: `config.json` (suppressed tokens, alignment heads), `tokenizer.json`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "asr/whisper/tokenizer_json.hpp"
#include "asr/whisper/weight_reader.hpp"
#include "hotmic/error.hpp"

namespace hotmic::whisper {

/// CTranslate2's DataType.
enum class Ct2Type : std::uint8_t { float32 = 0, int8 = 1, int16 = 2, int32 = 3, float16 = 4, bfloat16 = 5 };

/// One variable of `model.bin`. Its numbers are the extent of `FileLayout::data` at the same index.
struct Ct2Variable {
    std::string name;
    Ct2Type type = Ct2Type::float32;
    std::vector<std::int64_t> shape{};  ///< empty: a single number
};

struct Ct2Folder : FileLayout, TokenizerFile {
    std::filesystem::path weights{};  ///< model.bin
    std::uint64_t tensor_bytes = 0;
    std::uint64_t parameters = 0;
    std::vector<Ct2Variable> directory{};
    std::vector<std::int32_t> suppressed{};  ///< never decoded
    std::vector<std::int32_t> suppressed_at_begin{};
    std::vector<std::pair<int, int>> alignment_heads{};  ///< decoder layer, head
};

/// A folder that may be one of these: it holds a file named model.bin.
[[nodiscard]] bool looks_like_ct2_folder(const std::filesystem::path& path);

/// Walks the whole folder without reading weights: every length within the file, every name once, the last alias ending
/// where the file does. Errors: model_file_missing (also for a folder without its tokenizer), model_file_unreadable,
/// model_not_recognized, model_unsupported, model_truncated, model_corrupt.
[[nodiscard]] Result<Ct2Folder> read_ct2_folder(const std::filesystem::path& path);

}  // namespace hotmic::whisper
