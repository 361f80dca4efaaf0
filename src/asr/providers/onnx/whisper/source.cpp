#include "asr/providers/onnx/whisper/source.hpp"

#include <filesystem>
#include <format>
#include <memory>
#include <string>
#include <string_view>

#include "asr/providers/onnx/half_kernels.hpp"
#include "asr/providers/onnx/whisper/onnx_layout.hpp"
#include "asr/providers/onnx/whisper/weights.hpp"
#include "asr/whisper/ctranslate2_folder.hpp"
#include "hotmic/error.hpp"

namespace hotmic::onnx {

Result<void> check_dimensions(const Dimensions& d, const std::string& name) {
    struct Rule {
        std::string_view what;
        int value;
        int least;
        int most;
    };
    for (const auto& [what, value, least, most] :
         {Rule{"tokens", d.vocabulary, 51864, 51999}, Rule{"mel bins", d.mels, 80, 128},
          Rule{"frames of audio", d.audio_frames, 1500, 1500}, Rule{"positions of text", d.text_positions, 448, 448},
          Rule{"encoder layers", d.encoder_layers, 1, 64}, Rule{"decoder layers", d.decoder_layers, 1, 64},
          Rule{"width", d.width, 64, 4096}, Rule{"heads", d.heads, 1, 64}}) {
        if (value < least || value > most) {
            return fail(ErrorCode::model_unsupported,
                        std::format("{} has {} {}; a Whisper model has {} to {}", name, value, what, least, most),
                        "give a Whisper model, or convert it again", "path");
        }
    }
    if (d.width != d.heads * static_cast<int>(kHeadWidth)) {
        return fail(ErrorCode::model_unsupported,
                    std::format("{} has {} heads for a width of {}; they are 64 wide in every Whisper model", name,
                                d.heads, d.width),
                    "give a Whisper model, or convert it again", "path");
    }
    return {};
}

Result<std::unique_ptr<WhisperSource>> open_source(const std::filesystem::path& path) {
    if (whisper::looks_like_ct2_folder(path)) return open_ct2_source(path);
    const auto layout = find_onnx_layout(path);
    if (!layout) return std::unexpected(layout.error());
    return *layout ? open_onnx_source(**layout) : open_ggml_source(path);
}

}  // namespace hotmic::onnx
