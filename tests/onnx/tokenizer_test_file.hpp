/// Writes a vocabulary as other programs keep it.
#pragma once

#include <filesystem>

#include "asr/providers/onnx/whisper/vocabulary.hpp"

namespace hotmic::testing {

/// tokenizer.json of Hugging Face.
void write_tokenizer_json(const std::filesystem::path& path, const onnx::Vocabulary& vocabulary);
/// NAME-tokens.txt of sherpa-onnx.
void write_tokens_txt(const std::filesystem::path& path, const onnx::Vocabulary& vocabulary);

}  // namespace hotmic::testing
