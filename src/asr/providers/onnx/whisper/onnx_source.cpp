/// Whisper's weights out of ONNX graphs, as Hugging Face's optimum and sherpa-onnx export them.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <format>
#include <fstream>
#include <ios>
#include <memory>
#include <span>
#include <stop_token>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "asr/providers/onnx/half_kernels.hpp"
#include "asr/providers/onnx/log_mel.hpp"
#include "asr/providers/onnx/whisper/onnx_file.hpp"
#include "asr/providers/onnx/whisper/onnx_layout.hpp"
#include "asr/providers/onnx/whisper/onnx_places.hpp"
#include "asr/providers/onnx/whisper/onnx_tokens.hpp"
#include "asr/providers/onnx/whisper/source.hpp"
#include "asr/providers/onnx/whisper/vocabulary.hpp"
#include "asr/providers/onnx/whisper/weights.hpp"
#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"
#include "hotmic/units.hpp"
#include "text/sha256.hpp"

namespace hotmic::onnx {
namespace {

namespace fs = std::filesystem;

class OnnxSource final : public WhisperSource {
public:
    explicit OnnxSource(OnnxLayout layout) : layout_(std::move(layout)) {}

    Result<void> open() {
        for (auto& [path, file] : {std::pair{layout_.encoder, &encoder_}, {layout_.decoder, &decoder_}}) {
            auto read = read_onnx_file(path);
            if (!read) return std::unexpected(std::move(read).error());
            *file = *std::move(read);
        }
        auto tokens = read_tokens(layout_, encoder_);
        if (!tokens) return std::unexpected(std::move(tokens).error());
        tokens_ = *std::move(tokens);
        find_places(encoder_, "encoder", places_);
        find_places(decoder_, "decoder", places_);
        return describe();
    }

    const WhisperFileInfo& info() const override { return info_; }

    Result<std::string> read(LoadProgress& progress, const std::stop_token& stop, const TakeTensor& take) override {
        const auto before = stamps();
        std::uint64_t done = 0;
        for (const auto& [name, place] : places_) {
            if (stop.stop_requested()) return fail(ErrorCode::load_cancelled, "the load was cancelled");
            auto values = place.weight.read(*place.file);
            if (!values) return std::unexpected(std::move(values).error());
            if (auto taken = take(name, place.weight.shape(), *std::move(values)); !taken)
                return std::unexpected(std::move(taken).error());
            done += place.weight.bytes();
            progress.report(Bytes(std::min(done, info_.size_bytes)), Bytes(info_.size_bytes));
        }
        auto digest = digest_of_files(progress, stop);
        if (digest && stamps() != before) {
            return fail(ErrorCode::model_corrupt,
                        std::format("{} was written to while it was read", layout_.encoder.parent_path().string()),
                        "let nothing write to the files, then load again", "path");
        }
        return digest;
    }

    Result<Vocabulary> vocabulary() const override { return Vocabulary(tokens_.vocabulary, tokens_.special); }
    std::vector<float> mel_filters() const override {
        return slaney_filters(static_cast<std::size_t>(info_.dimensions.mels));
    }
    std::vector<Token> suppressed() const override { return tokens_.suppressed; }
    std::vector<Token> suppressed_at_begin() const override { return tokens_.suppressed_at_begin; }
    std::vector<std::pair<int, int>> alignment_heads() const override { return tokens_.alignment_heads; }

private:
    [[nodiscard]] std::vector<fs::path> files() const {
        std::vector<fs::path> all{encoder_.path, decoder_.path};
        all.append_range(encoder_.beside);
        all.append_range(decoder_.beside);
        return all;
    }

    [[nodiscard]] std::vector<std::pair<std::uintmax_t, fs::file_time_type>> stamps() const {
        std::vector<std::pair<std::uintmax_t, fs::file_time_type>> all;
        std::error_code ignored;
        for (const auto& file : files())
            all.emplace_back(fs::file_size(file, ignored), fs::last_write_time(file, ignored));
        return all;
    }

    [[nodiscard]] Result<std::string> digest_of_files(LoadProgress& progress, const std::stop_token& stop) const {
        Sha256 digest;
        std::vector<char> buffer(1 << 20);
        for (const auto& file : files()) {
            std::ifstream in(file, std::ios::binary);
            while (in) {
                if (stop.stop_requested()) return fail(ErrorCode::load_cancelled, "the load was cancelled");
                in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
                digest.update(std::span(buffer).first(static_cast<std::size_t>(in.gcount())));
                progress.beat();
            }
            if (!in.eof())
                return fail(ErrorCode::io_error, std::format("reading {} failed", file.string()),
                            "check the disk (dmesg)", "path");
        }
        return digest.hex();
    }

    [[nodiscard]] int extent(std::string_view name, std::size_t dimension) const {
        const auto found = places_.find(name);
        if (found == places_.end()) return 0;
        const auto shape = found->second.weight.shape();
        return shape.size() > dimension ? static_cast<int>(shape[dimension]) : 0;
    }
    [[nodiscard]] int layers(std::string_view side) const {
        int count = 0;
        while (places_.contains(std::format("{}.blocks.{}.mlp.0.weight", side, count))) ++count;
        return count;
    }

    Result<void> describe() {
        const auto name = layout_.encoder.parent_path().string();
        const int width = extent("encoder.conv1.weight", 0);
        info_.dimensions = {.vocabulary = extent("decoder.token_embedding.weight", 0),
                            .mels = extent("encoder.conv1.weight", 1),
                            .audio_frames = extent("encoder.positional_embedding", 0),
                            .text_positions = extent("decoder.positional_embedding", 0),
                            .width = width,
                            .heads = width / static_cast<int>(kHeadWidth),
                            .encoder_layers = layers("encoder"),
                            .decoder_layers = layers("decoder")};
        // Of a model of no layers everything is missing that the first would have.
        auto least = info_.dimensions;
        least.encoder_layers = std::max(1, least.encoder_layers);
        least.decoder_layers = std::max(1, least.decoder_layers);
        for (const auto& [tensor, shape] : expected_tensors(least)) {
            if (places_.contains(tensor)) continue;
            return fail(ErrorCode::model_unsupported,
                        std::format("the graphs in {} do not show which weights are Whisper's {}", name, tensor),
                        "use files as optimum or sherpa-onnx export them, without fusing operators; or the model in "
                        "whisper.cpp's or CTranslate2's format",
                        "path");
        }
        if (auto sane = check_dimensions(info_.dimensions, name); !sane) return sane;
        const auto& special = tokens_.special;
        if (special.no_timestamps >= info_.dimensions.vocabulary ||
            static_cast<std::size_t>(special.end_of_text) != tokens_.vocabulary.size())
            return damaged(layout_.tokens, "it is not the tokenizer of these weights");
        const bool sherpa = layout_.kind == OnnxLayout::Kind::sherpa;
        info_.format = sherpa ? "onnx (sherpa-onnx)" : "onnx (Hugging Face)";
        info_.quantization = places_.at("decoder.blocks.0.mlp.0.weight").weight.type();
        std::error_code ignored;
        for (const auto& file : files()) info_.size_bytes += fs::file_size(file, ignored);
        info_.tensors = places_.size();
        for (const auto& [tensor, place] : places_) {
            std::uint64_t count = 1;
            for (const auto each : place.weight.shape()) count *= static_cast<std::uint64_t>(each);
            info_.parameters += count;
        }
        for (const auto& [code, token] : special.languages) info_.languages.push_back(code);
        if (info_.languages.empty()) info_.languages = {"en"};
        info_.files = {{"encoder_file", layout_.encoder.filename().string()},
                       {"decoder_file", layout_.decoder.filename().string()},
                       {"tokens_file", layout_.tokens.filename().string()}};
        return {};
    }

    const OnnxLayout layout_;
    OnnxFile encoder_{};
    OnnxFile decoder_{};
    Places places_{};
    OnnxTokens tokens_{};
    WhisperFileInfo info_{};
};

}  // namespace

Result<std::unique_ptr<WhisperSource>> open_onnx_source(const OnnxLayout& layout) {
    auto source = std::make_unique<OnnxSource>(layout);
    if (auto opened = source->open(); !opened) return std::unexpected(std::move(opened).error());
    return source;
}

}  // namespace hotmic::onnx
