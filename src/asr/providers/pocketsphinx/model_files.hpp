/// The files a PocketSphinx model is made of: acoustic model, language model, dictionary.
#pragma once

#include <cstdint>
#include <filesystem>

#include "asr/providers/pocketsphinx/integrity.hpp"
#include "hotmic/error.hpp"

namespace hotmic::pocketsphinx {

struct ModelFiles {
    std::filesystem::path acoustic_model;  ///< folder with mdef, means, variances, …
    std::filesystem::path language_model;
    std::filesystem::path dictionary;
    std::uint64_t total_bytes = 0;
    std::uint64_t language_model_bytes = 0;
    std::uint64_t dictionary_bytes = 0;
    Facts facts{};  ///< what the headers tell
};

/// Finds and checks the files below `folder` (empty: the distribution's en-us). Errors: model_file_missing,
/// model_file_unreadable, model_not_recognized, model_truncated, model_corrupt; each names the file and the remedy.
[[nodiscard]] Result<ModelFiles> find_model(const std::filesystem::path& folder);

}  // namespace hotmic::pocketsphinx
