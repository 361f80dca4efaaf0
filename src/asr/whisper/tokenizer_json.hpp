/// A tokenizer as Hugging Face's libraries write it, tokenizer.json: of byte pairs, in GPT-2's spelling of bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"

namespace hotmic::whisper {

struct TokenizerFile {
    std::vector<std::string> vocabulary{};                      ///< the bytes of each ordinary token, by id
    std::vector<std::pair<std::string, std::int32_t>> added{};  ///< special tokens as they are written, and their ids
};

/// `remedy` says where to get another. Errors: model_file_missing, model_file_unreadable, model_corrupt.
[[nodiscard]] Result<TokenizerFile> read_tokenizer(const std::filesystem::path& path, std::string_view remedy);

}  // namespace hotmic::whisper
