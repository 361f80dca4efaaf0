#include "asr/providers/onnx/whisper/ggml_writer.hpp"

#include <ggml.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <format>
#include <fstream>
#include <initializer_list>
#include <ios>
#include <ranges>
#include <stop_token>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "asr/providers/onnx/whisper/source.hpp"
#include "asr/providers/onnx/whisper/vocabulary.hpp"
#include "asr/whisper/ggml_file.hpp"
#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"

namespace hotmic::onnx {
namespace {

constexpr std::int32_t kMagic = 0x67676d6c;
constexpr std::int32_t kFilterBins = 201;
constexpr std::int32_t kHalf = 1;  // of a file, and of a tensor

class Writer {
public:
    explicit Writer(const std::filesystem::path& file) : file_(file), out_(file, std::ios::binary | std::ios::trunc) {}

    void numbers(std::initializer_list<std::int32_t> values) {
        for (const auto value : values) out_.write(reinterpret_cast<const char*>(&value), sizeof value);
    }
    void floats(const std::vector<float>& values) {
        out_.write(reinterpret_cast<const char*>(values.data()),
                   static_cast<std::streamsize>(values.size() * sizeof(float)));
    }
    void halves(const std::vector<float>& values) {
        std::vector<ggml_fp16_t> converted(values.size());
        ggml_fp32_to_fp16_row(values.data(), converted.data(), static_cast<std::int64_t>(values.size()));
        out_.write(reinterpret_cast<const char*>(converted.data()),
                   static_cast<std::streamsize>(converted.size() * sizeof(ggml_fp16_t)));
    }
    void text(std::string_view bytes) { out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size())); }

    Result<void> state() {
        if (out_) return {};
        const int why = errno;
        return fail(why == ENOSPC || why == EDQUOT ? ErrorCode::disk_full : ErrorCode::io_error,
                    std::format("{} cannot be written: {}", file_.string(), std::strerror(why)),
                    "free space there, or write to another folder");
    }
    Result<void> close() {
        out_.close();
        return state();
    }

private:
    const std::filesystem::path file_;
    std::ofstream out_;
};

/// Weights of matrices and convolutions; norms, biases and positions stay as they are.
bool is_matrix(const std::string& name, std::size_t dimensions) {
    return dimensions > 1 && name.ends_with(".weight");
}

}  // namespace

Result<void> write_ggml(WhisperSource& source, const std::filesystem::path& target, LoadProgress& progress,
                        const std::stop_token& stop) {
    auto vocabulary = source.vocabulary();
    if (!vocabulary) return std::unexpected(std::move(vocabulary).error());
    auto beside = target;
    beside += ".new";
    const auto give_up = [&](Error error) {
        std::error_code ignored;
        std::filesystem::remove(beside, ignored);
        return std::unexpected(std::move(error));
    };
    Writer out(beside);
    const auto& shape = source.info().dimensions;
    out.numbers({kMagic, shape.vocabulary, shape.audio_frames, shape.width, shape.heads, shape.encoder_layers,
                 shape.text_positions, shape.width, shape.heads, shape.decoder_layers, shape.mels, kHalf});
    out.numbers({shape.mels, kFilterBins});
    out.floats(source.mel_filters());
    Token count = 0;
    while (vocabulary->is_text(count)) ++count;
    out.numbers({count});
    for (Token token = 0; token < count; ++token) {
        const auto piece = vocabulary->text_of(token);
        out.numbers({static_cast<std::int32_t>(piece.size())});
        out.text(piece);
    }
    auto read =
        source.read(progress, stop,
                    [&](const std::string& name, const std::vector<std::int64_t>& extents,
                        const std::vector<float>& values) -> Result<void> {
                        // Joined matrices of other formats bring a bias of zeros that Whisper's keys do not have.
                        if (name.ends_with(".key.bias")) return {};
                        auto dimensions = extents;
                        if (name.starts_with("encoder.conv") && name.ends_with(".bias") && dimensions.size() == 1)
                            dimensions.push_back(1);
                        const bool half = is_matrix(name, dimensions.size());
                        out.numbers({static_cast<std::int32_t>(dimensions.size()),
                                     static_cast<std::int32_t>(name.size()), half ? kHalf : 0});
                        for (const auto extent : std::views::reverse(dimensions))
                            out.numbers({static_cast<std::int32_t>(extent)});
                        out.text(name);
                        if (half)
                            out.halves(values);
                        else
                            out.floats(values);
                        return out.state();
                    });
    if (!read) return give_up(std::move(read).error());
    if (auto closed = out.close(); !closed) return give_up(std::move(closed).error());
    // Whether every tensor came is told by whoever reads it.
    if (auto whole = whisper::read_model_file(beside); !whole) {
        return give_up({ErrorCode::model_corrupt,
                        "the model lacks something that whisper.cpp needs: " + whole.error().message,
                        "download the model again", "path"});
    }
    std::error_code error;
    std::filesystem::rename(beside, target, error);
    if (error) return give_up({ErrorCode::io_error, std::format("{}: {}", target.string(), error.message())});
    return {};
}

}  // namespace hotmic::onnx
