#include "asr/providers/onnx/whisper/weights.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <format>
#include <functional>
#include <map>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asr/providers/onnx/whisper/source.hpp"
#include "asr/whisper/ggml_file.hpp"
#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"

namespace hotmic::onnx {
namespace {

namespace fs = std::filesystem;

constexpr int kKernel = 3;  // frames of the convolutions

/// Matrices that are multiplied with, and the table of tokens.
bool is_matrix(std::string_view name, const std::vector<std::int64_t>& shape) {
    return shape.size() == 2 && name.ends_with(".weight");
}

std::int64_t count_of(const std::vector<std::int64_t>& shape) {
    std::int64_t count = 1;
    for (const auto extent : shape) count *= extent;
    return count;
}

/// The same numbers under another shape: [n] and [n, 1] are one.
std::vector<std::int64_t> squeezed(std::vector<std::int64_t> shape) {
    std::erase(shape, 1);
    return shape;
}

struct KnownHeads {
    std::string_view model;
    std::vector<std::pair<int, int>> heads;
};

/// Which heads of the official models follow the audio (openai/whisper, __init__.py, _ALIGNMENT_HEADS).
const std::vector<KnownHeads>& known_heads() {
    static const std::vector<KnownHeads> known{
        {"tiny.en", {{1, 0}, {2, 0}, {2, 5}, {3, 0}, {3, 1}, {3, 2}, {3, 3}, {3, 4}}},
        {"tiny", {{2, 2}, {3, 0}, {3, 2}, {3, 3}, {3, 4}, {3, 5}}},
        {"base.en", {{3, 3}, {4, 7}, {5, 1}, {5, 5}, {5, 7}}},
        {"base", {{3, 1}, {4, 2}, {4, 3}, {4, 7}, {5, 1}, {5, 2}, {5, 4}, {5, 6}}},
        {"small.en",
         {{6, 6},
          {7, 0},
          {7, 3},
          {7, 8},
          {8, 2},
          {8, 5},
          {8, 7},
          {9, 0},
          {9, 4},
          {9, 8},
          {9, 10},
          {10, 0},
          {10, 1},
          {10, 2},
          {10, 3},
          {10, 6},
          {10, 11},
          {11, 2},
          {11, 4}}},
        {"small", {{5, 3}, {5, 9}, {8, 0}, {8, 4}, {8, 7}, {8, 8}, {9, 0}, {9, 7}, {9, 9}, {10, 5}}},
        {"medium.en",
         {{11, 4},
          {14, 1},
          {14, 12},
          {14, 14},
          {15, 4},
          {16, 0},
          {16, 4},
          {16, 9},
          {17, 12},
          {17, 14},
          {18, 7},
          {18, 10},
          {18, 15},
          {20, 0},
          {20, 3},
          {20, 9},
          {20, 14},
          {21, 12}}},
        {"medium", {{13, 15}, {15, 4}, {15, 15}, {16, 1}, {20, 0}, {23, 4}}},
        {"large", {{10, 12}, {13, 17}, {16, 11}, {16, 12}, {16, 13}, {17, 15}, {17, 16}, {18, 4},
                   {18, 11}, {18, 19}, {19, 11}, {21, 2},  {21, 3},  {22, 3},  {22, 9},  {22, 12},
                   {23, 5},  {23, 7},  {23, 13}, {25, 5},  {26, 1},  {26, 12}, {27, 15}}},
        {"large-v3", {{7, 0}, {10, 17}, {12, 18}, {13, 12}, {16, 1}, {17, 14}, {19, 11}, {21, 4}, {24, 1}, {25, 6}}},
        {"large-v3-turbo", {{2, 4}, {2, 11}, {3, 3}, {3, 6}, {3, 11}, {3, 14}}}};
    return known;
}

std::vector<std::pair<int, int>> alignment_heads_of(const Dimensions& dimensions) {
    const auto found = std::ranges::find(known_heads(), dimensions.size_name(), &KnownHeads::model);
    if (found != known_heads().end()) return found->heads;
    // The original's own choice where it knows nothing: every head of the upper half.
    std::vector<std::pair<int, int>> heads;
    for (int layer = dimensions.decoder_layers / 2; layer < dimensions.decoder_layers; ++layer)
        for (int head = 0; head < dimensions.heads; ++head) heads.emplace_back(layer, head);
    return heads;
}

/// Takes tensors as they are read.
class Collector {
public:
    Collector(const Dimensions& dimensions, Quantization how, const std::string& name)
        : how_(how), name_(name), expected_(expected_tensors(dimensions)) {}

    Result<void> take(const std::string& tensor, const std::vector<std::int64_t>& shape, std::vector<float> values) {
        const auto wanted = expected_.find(tensor);
        if (wanted == expected_.end()) return {};  // something that recognition does not need
        if (squeezed(shape) != squeezed(wanted->second) ||
            static_cast<std::int64_t>(values.size()) != count_of(wanted->second)) {
            return corrupt(std::format("tensor {} is not of the shape that its other dimensions call for", tensor));
        }
        if (!std::ranges::all_of(values, [](float value) { return std::isfinite(value); }))
            return corrupt(std::format("tensor {} holds numbers that are not finite", tensor));
        auto& made = tensors_[tensor];
        if (how_ != Quantization::none && is_matrix(tensor, wanted->second))
            made = quantized(wanted->second, values, how_);
        else
            made = {.shape = wanted->second, .values = std::move(values)};
        return {};
    }

    Result<std::map<std::string, Tensor, std::less<>>> finish() {
        for (const auto& [tensor, shape] : expected_)
            if (!tensors_.contains(tensor)) return corrupt(std::format("it has no tensor {}", tensor));
        return std::move(tensors_);
    }

private:
    std::unexpected<Error> corrupt(std::string what) const {
        return fail(ErrorCode::model_corrupt, std::format("{} is damaged: {}", name_, what), "download the model again",
                    "path");
    }
    const Quantization how_;
    const std::string& name_;
    const std::map<std::string, std::vector<std::int64_t>, std::less<>> expected_;
    std::map<std::string, Tensor, std::less<>> tensors_;
};

}  // namespace

std::map<std::string, std::vector<std::int64_t>, std::less<>> expected_tensors(const Dimensions& d) {
    std::map<std::string, std::vector<std::int64_t>, std::less<>> all;
    const std::int64_t width = d.width;
    const auto norm = [&](const std::string& name) {
        all[name + ".weight"] = {width};
        all[name + ".bias"] = {width};
    };
    const auto linear = [&](const std::string& name, std::int64_t out, std::int64_t in, bool bias = true) {
        all[name + ".weight"] = {out, in};
        if (bias) all[name + ".bias"] = {out};
    };
    const auto attention = [&](const std::string& name) {
        norm(name + "_ln");
        linear(name + ".query", width, width);
        linear(name + ".key", width, width, false);
        linear(name + ".value", width, width);
        linear(name + ".out", width, width);
    };
    const auto feed_forward = [&](const std::string& block) {
        norm(block + ".mlp_ln");
        linear(block + ".mlp.0", 4 * width, width);
        linear(block + ".mlp.2", width, 4 * width);
    };
    all["encoder.positional_embedding"] = {d.audio_frames, width};
    all["encoder.conv1.weight"] = {width, d.mels, kKernel};
    all["encoder.conv1.bias"] = {width};
    all["encoder.conv2.weight"] = {width, width, kKernel};
    all["encoder.conv2.bias"] = {width};
    for (int i = 0; i < d.encoder_layers; ++i) {
        const auto block = std::format("encoder.blocks.{}", i);
        attention(block + ".attn");
        feed_forward(block);
    }
    norm("encoder.ln_post");
    all["decoder.token_embedding.weight"] = {d.vocabulary, width};
    all["decoder.positional_embedding"] = {d.text_positions, width};
    for (int i = 0; i < d.decoder_layers; ++i) {
        const auto block = std::format("decoder.blocks.{}", i);
        attention(block + ".attn");
        attention(block + ".cross_attn");
        feed_forward(block);
    }
    norm("decoder.ln");
    return all;
}

std::string Dimensions::size_name() const {
    whisper::ModelHeader header{};
    header.n_vocab = vocabulary;
    header.n_audio_state = width;
    header.n_audio_layer = encoder_layers;
    header.n_text_layer = decoder_layers;
    header.n_mels = mels;
    return header.size_name();
}

Tensor quantized(std::vector<std::int64_t> shape, std::span<const float> values, Quantization how) {
    Tensor made{.shape = std::move(shape)};
    const auto columns = static_cast<std::size_t>(made.columns());
    const auto rows = values.size() / columns;
    const float most = how == Quantization::int7 ? 63 : 127;
    made.quantized.resize(values.size());
    made.scales.resize(rows);
    for (std::size_t row = 0; row < rows; ++row) {
        const auto from = values.subspan(row * columns, columns);
        float largest = 0;
        for (const float value : from) largest = std::max(largest, std::abs(value));
        const float scale = largest > 0 ? largest / most : 1;
        const float factor = 1 / scale;
        made.scales[row] = scale;
        for (std::size_t i = 0; i < columns; ++i)
            made.quantized[row * columns + i] = static_cast<std::int8_t>(std::lrint(from[i] * factor));
    }
    return made;
}

Result<WhisperFileInfo> inspect_whisper(const fs::path& path) {
    auto source = open_source(path);
    if (!source) return std::unexpected(std::move(source).error());
    return (*source)->info();
}

Result<WhisperWeights> load_whisper(const fs::path& path, Quantization how, LoadProgress& progress,
                                    const std::stop_token& stop) {
    auto opened = open_source(path);
    if (!opened) return std::unexpected(std::move(opened).error());
    auto& source = **opened;
    const auto& info = source.info();
    const auto name = path.string();
    Collector collector(info.dimensions, how, name);
    auto digest =
        source.read(progress, stop,
                    [&](const std::string& tensor, const std::vector<std::int64_t>& shape, std::vector<float> values) {
                        return collector.take(tensor, shape, std::move(values));
                    });
    if (!digest) return std::unexpected(std::move(digest).error());
    auto tensors = collector.finish();
    if (!tensors) return std::unexpected(std::move(tensors).error());
    auto vocabulary = source.vocabulary();
    if (!vocabulary) return std::unexpected(std::move(vocabulary).error());

    WhisperWeights made{.dimensions = info.dimensions,
                        .file = info,
                        .sha256 = *std::move(digest),
                        .mel_filters = source.mel_filters(),
                        .vocabulary = *std::move(vocabulary),
                        .suppressed = source.suppressed(),
                        .suppressed_at_begin = source.suppressed_at_begin(),
                        .alignment_heads = source.alignment_heads(),
                        .tensors = *std::move(tensors)};
    if (made.suppressed.empty()) made.suppressed = made.vocabulary.non_speech_tokens();
    if (made.suppressed_at_begin.empty()) {
        made.suppressed_at_begin = made.vocabulary.encode(" ");
        made.suppressed_at_begin.push_back(made.vocabulary.special().end_of_text);
    }
    if (made.alignment_heads.empty()) made.alignment_heads = alignment_heads_of(made.dimensions);
    std::erase_if(made.alignment_heads, [&](const std::pair<int, int>& each) {
        return each.first >= made.dimensions.decoder_layers || each.second >= made.dimensions.heads;
    });
    return made;
}

}  // namespace hotmic::onnx
