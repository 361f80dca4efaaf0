/// Writes a CTranslate2 folder out of a file of whisper.cpp's, so that both formats can be tried with one model.
#pragma once

#include <filesystem>
#include <string>

namespace hotmic::testing {

struct Ct2TestFolder {
    std::string weights = "f16";  ///< of the matrices: f32, f16, int8
    bool tokenizer = true;        ///< write tokenizer.json
    int version = 6;
    std::string specification = "WhisperSpec";
    std::string without{};  ///< a variable that is left out
};

/// `ggml`: a whole file with an official vocabulary. Throws where it cannot be read.
void write_ct2_folder(const std::filesystem::path& folder, const std::filesystem::path& ggml,
                      const Ct2TestFolder& how = {});

}  // namespace hotmic::testing
