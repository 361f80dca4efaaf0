/// Which files of a folder are a model where no list says so: by the names that other programs give them.
///
///   CTranslate2 (faster-whisper)                     model.bin, config.json, tokenizer.json
///   Hugging Face's ONNX (optimum, transformers.js)   encoder_model*.onnx and decoder_model*.onnx, in it or in its
///                                                    folder "onnx"; tokenizer.json beside them or above
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace hotmic::store {

/// Paths relative to `folder`; none where it is no model of these layouts, or not all of one. Looks at names only:
/// whether they hold what they should is for the engine to say.
[[nodiscard]] std::vector<std::string> files_of_known_layout(const std::filesystem::path& folder);

}  // namespace hotmic::store
