#include <ggml.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "asr/providers/onnx/whisper/source.hpp"
#include "asr/providers/onnx/whisper/vocabulary.hpp"
#include "asr/whisper/ggml_file.hpp"
#include "asr/whisper/weight_reader.hpp"
#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"

namespace hotmic::onnx {
namespace {

class GgmlSource final : public WhisperSource {
public:
    GgmlSource(std::filesystem::path path, whisper::ModelFile file) : path_(std::move(path)), file_(std::move(file)) {
        const auto& header = file_.header;
        info_ = {.dimensions = {.vocabulary = header.n_vocab,
                                .mels = header.n_mels,
                                .audio_frames = header.n_audio_ctx,
                                .text_positions = header.n_text_ctx,
                                .width = header.n_audio_state,
                                .heads = header.n_audio_head,
                                .encoder_layers = header.n_audio_layer,
                                .decoder_layers = header.n_text_layer},
                 .format = "ggml",
                 .quantization = header.quantization(),
                 .size_bytes = file_.size_bytes,
                 .tensors = file_.directory.size(),
                 .parameters = file_.parameters};
        for (const auto& [code, token] : SpecialTokens::of_size(header.n_vocab).languages)
            info_.languages.push_back(code);
        if (info_.languages.empty()) info_.languages = {"en"};
    }

    const WhisperFileInfo& info() const override { return info_; }

    Result<std::string> read(LoadProgress& progress, const std::stop_token& stop, const TakeTensor& take) override {
        whisper::WeightReader reader(path_, file_, progress, stop);
        std::vector<char> bytes;
        std::uint64_t at = 0;
        for (std::size_t i = 0; i < file_.directory.size(); ++i) {
            const auto& [name, type, shape] = file_.directory[i];
            const auto& extent = file_.data[i];
            bytes.resize(extent.begin - at);
            if (reader.read(bytes.data(), bytes.size()) < bytes.size()) break;
            bytes.resize(extent.size);
            if (reader.read(bytes.data(), bytes.size()) < bytes.size()) break;
            at = extent.begin + extent.size;
            std::size_t count = 1;
            for (const auto each : shape) count *= static_cast<std::size_t>(each);
            std::vector<float> values(count);
            if (type == GGML_TYPE_F32)
                std::memcpy(values.data(), bytes.data(), bytes.size());
            else if (const auto* traits = ggml_get_type_traits(static_cast<ggml_type>(type));
                     traits->to_float != nullptr)
                traits->to_float(bytes.data(), values.data(), static_cast<std::int64_t>(count));
            else
                return fail(ErrorCode::model_unsupported,
                            path_.string() + ": tensor " + name + " is of a type that cannot be read (" +
                                ggml_type_name(static_cast<ggml_type>(type)) + ")",
                            "use a file of f16, q8_0 or q5_0 weights", "path");
            if (auto taken = take(name, shape, std::move(values)); !taken)
                return std::unexpected(std::move(taken).error());
        }
        // Past the last tensor there is nothing, which the reader checks.
        char rest = 0;
        (void)reader.read(&rest, 0);
        if (auto verdict = reader.verdict(); !verdict) return std::unexpected(std::move(verdict).error());
        return reader.digest();
    }

    Result<Vocabulary> vocabulary() const override {
        const auto special = SpecialTokens::of_size(file_.header.n_vocab);
        auto pieces = file_.vocabulary;
        if (pieces.size() > static_cast<std::size_t>(special.end_of_text))
            pieces.resize(static_cast<std::size_t>(special.end_of_text));
        return Vocabulary(std::move(pieces), special);
    }

    std::vector<float> mel_filters() const override { return file_.mel_filters; }

private:
    const std::filesystem::path path_;
    const whisper::ModelFile file_;
    WhisperFileInfo info_;
};

}  // namespace

Result<std::unique_ptr<WhisperSource>> open_ggml_source(const std::filesystem::path& path) {
    auto file = whisper::read_model_file(path);
    if (!file) return std::unexpected(std::move(file).error());
    auto made = std::make_unique<GgmlSource>(path, *std::move(file));
    if (auto sane = check_dimensions(made->info().dimensions, path.string()); !sane)
        return std::unexpected(std::move(sane).error());
    return made;
}

}  // namespace hotmic::onnx
