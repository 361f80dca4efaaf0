/// hotmic_make_onnx_folder FOLDER FILE [KEY=VALUE …]: the weights of a file of whisper.cpp's as a folder of ONNX files.
///
///   layout=huggingface|sherpa   (huggingface)
///   weights=f32|f16|8-bit|4-bit (f32)
///   suffix=_quantized           behind the files' names (nothing)
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>

#include "onnx/onnx_test_folder.hpp"

int main(int argc, char** argv) try {
    if (argc < 3) {
        std::fputs("usage: hotmic_make_onnx_folder FOLDER FILE [layout=…] [weights=…] [suffix=…]\n", stderr);
        return 2;
    }
    hotmic::testing::OnnxTestFolder how;
    for (int i = 3; i < argc; ++i) {
        const std::string_view word = argv[i];
        const auto value = word.substr(word.find('=') + 1);
        if (word.starts_with("layout="))
            how.sherpa = value == "sherpa";
        else if (word.starts_with("weights="))
            how.weights = value;
        else if (word.starts_with("suffix="))
            how.suffix = value;
        else
            throw std::invalid_argument("what is \"" + std::string(word) + "\"?");
    }
    hotmic::testing::write_onnx_folder(argv[1], argv[2], how);
    return 0;
} catch (const std::exception& problem) {
    std::fprintf(stderr, "%s\n", problem.what());
    return 1;
}
