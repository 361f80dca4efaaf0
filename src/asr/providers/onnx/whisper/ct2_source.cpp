#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <format>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asr/providers/onnx/half_kernels.hpp"
#include "asr/providers/onnx/log_mel.hpp"
#include "asr/providers/onnx/whisper/source.hpp"
#include "asr/providers/onnx/whisper/vocabulary.hpp"
#include "asr/providers/onnx/whisper/weights.hpp"
#include "asr/whisper/ctranslate2_folder.hpp"
#include "asr/whisper/weight_reader.hpp"
#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"

namespace hotmic::onnx {
namespace {

using whisper::Ct2Type;
using Shape = std::vector<std::int64_t>;

const whisper::Ct2Variable* find(const whisper::Ct2Folder& folder, std::string_view name) {
    const auto found = std::ranges::find(folder.directory, name, &whisper::Ct2Variable::name);
    return found == folder.directory.end() ? nullptr : &*found;
}

int layers(const whisper::Ct2Folder& folder, std::string_view side) {
    int count = 0;
    while (find(folder, std::format("{}/layer_{}/ffn/linear_0/weight", side, count)) != nullptr) ++count;
    return count;
}

std::string_view name_of(Ct2Type type) {
    switch (type) {
        case Ct2Type::float32:
            return "f32";
        case Ct2Type::int8:
            return "int8";
        case Ct2Type::int16:
            return "int16";
        case Ct2Type::int32:
            return "int32";
        case Ct2Type::float16:
            return "f16";
        case Ct2Type::bfloat16:
            return "bf16";
    }
    return "unknown";
}

/// A part of a joined matrix: rows [index, index + 1) × rows ÷ parts under a name of its own.
struct Part {
    std::string name;
    int index = 0;
    int parts = 1;
};

/// "encoder/layer_0/self_attention/linear_0" → the names in OpenAI's code, without ".weight" or ".bias".
std::vector<Part> parts_of(std::string_view path) {
    const auto side = path.substr(0, path.find('/'));
    auto rest = path.substr(std::min(path.size(), side.size() + 1));
    if (rest == "layer_norm") return {{std::string(side) + (side == "encoder" ? ".ln_post" : ".ln")}};
    if (rest == "embeddings") return {{"decoder.token_embedding"}};
    if (rest == "position_encodings/encodings") return {{std::string(side) + ".positional_embedding"}};
    if (rest == "conv1" || rest == "conv2") return {{std::format("{}.{}", side, rest)}};
    if (!rest.starts_with("layer_")) return {};
    rest.remove_prefix(6);
    const auto number = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(rest.size(), number.size() + 1));
    const auto block = std::format("{}.blocks.{}", side, number);
    struct Names {
        std::string_view path;
        std::vector<Part> parts;
    };
    const auto joined = [&](std::string_view attention) {
        return std::vector<Part>{{std::format("{}.{}.query", block, attention), 0, 3},
                                 {std::format("{}.{}.key", block, attention), 1, 3},
                                 {std::format("{}.{}.value", block, attention), 2, 3}};
    };
    for (auto& [name, parts] :
         {Names{"self_attention/layer_norm", {{block + ".attn_ln"}}}, Names{"self_attention/linear_0", joined("attn")},
          Names{"self_attention/linear_1", {{block + ".attn.out"}}},
          Names{"attention/layer_norm", {{block + ".cross_attn_ln"}}},
          Names{"attention/linear_0", {{block + ".cross_attn.query"}}},
          Names{"attention/linear_1", {{block + ".cross_attn.key", 0, 2}, {block + ".cross_attn.value", 1, 2}}},
          Names{"attention/linear_2", {{block + ".cross_attn.out"}}}, Names{"ffn/layer_norm", {{block + ".mlp_ln"}}},
          Names{"ffn/linear_0", {{block + ".mlp.0"}}}, Names{"ffn/linear_1", {{block + ".mlp.2"}}}}) {
        if (rest == name) return parts;
    }
    return {};
}

std::vector<float> numbers_of(Ct2Type type, std::span<const char> bytes) {
    const auto each = [&]<class T>(T, auto convert) {
        std::vector<float> values(bytes.size() / sizeof(T));
        for (std::size_t i = 0; i < values.size(); ++i) {
            T raw;
            std::memcpy(&raw, bytes.data() + i * sizeof(T), sizeof(T));
            values[i] = convert(raw);
        }
        return values;
    };
    switch (type) {
        case Ct2Type::float32:
            return each(float{}, [](float value) { return value; });
        case Ct2Type::float16:
            return each(Half{}, from_half);
        case Ct2Type::bfloat16:
            return each(std::uint16_t{}, [](std::uint16_t bits) {
                return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
            });
        case Ct2Type::int8:
            return each(std::int8_t{}, [](std::int8_t value) { return static_cast<float>(value); });
        case Ct2Type::int16:
            return each(std::int16_t{}, [](std::int16_t value) { return static_cast<float>(value); });
        case Ct2Type::int32:
            return each(std::int32_t{}, [](std::int32_t value) { return static_cast<float>(value); });
    }
    return {};
}

class Ct2Source final : public WhisperSource {
public:
    Ct2Source(whisper::Ct2Folder folder, SpecialTokens special, WhisperFileInfo info)
        : folder_(std::move(folder)), special_(std::move(special)), info_(std::move(info)) {}

    const WhisperFileInfo& info() const override { return info_; }

    Result<std::string> read(LoadProgress& progress, const std::stop_token& stop, const TakeTensor& take) override {
        whisper::WeightReader reader(folder_.weights, folder_, progress, stop);
        std::vector<char> bytes;
        std::uint64_t at = 0;
        for (std::size_t i = 0; i < folder_.directory.size(); ++i) {
            const auto& extent = folder_.data[i];
            bytes.resize(extent.begin - at);
            if (reader.read(bytes.data(), bytes.size()) < bytes.size()) break;
            bytes.resize(extent.size);
            if (reader.read(bytes.data(), bytes.size()) < bytes.size()) break;
            at = extent.begin + extent.size;
            if (auto passed = variable(folder_.directory[i], bytes, take); !passed)
                return std::unexpected(std::move(passed).error());
        }
        bytes.resize(folder_.size_bytes - at);
        (void)reader.read(bytes.data(), bytes.size());
        if (auto verdict = reader.verdict(); !verdict) return std::unexpected(std::move(verdict).error());
        if (!waiting_.empty()) {
            return fail(ErrorCode::model_corrupt,
                        std::format("{} has no scale for {}", folder_.weights.string(), waiting_.begin()->first),
                        "download the folder again", "path");
        }
        return reader.digest();
    }

    Result<Vocabulary> vocabulary() const override { return Vocabulary(folder_.vocabulary, special_); }
    std::vector<float> mel_filters() const override {
        return slaney_filters(static_cast<std::size_t>(info_.dimensions.mels));
    }
    std::vector<Token> suppressed() const override { return folder_.suppressed; }
    std::vector<Token> suppressed_at_begin() const override { return folder_.suppressed_at_begin; }
    std::vector<std::pair<int, int>> alignment_heads() const override { return folder_.alignment_heads; }

private:
    struct Waiting {
        Shape shape;
        std::vector<float> values;
    };

    /// Integers wait for their scales, which stand in a variable of their own.
    Result<void> variable(const whisper::Ct2Variable& variable, std::span<const char> bytes, const TakeTensor& take) {
        constexpr std::string_view kScale = "_scale";
        auto values = numbers_of(variable.type, bytes);
        const auto& name = variable.name;
        const bool is_scale = name.ends_with(kScale);
        const auto of = is_scale ? name.substr(0, name.size() - kScale.size()) : name;
        const bool is_quantized = variable.type == Ct2Type::int8 && variable.shape.size() > 1;
        if (!is_scale && !is_quantized) return hand_on(name, variable.shape, std::move(values), take);
        const auto other = waiting_.find(of);
        if (other == waiting_.end()) {
            waiting_.emplace(of, Waiting{variable.shape, std::move(values)});
            return {};
        }
        auto matrix = std::move(other->second);
        waiting_.erase(other);
        auto scales = Waiting{variable.shape, std::move(values)};
        if (!is_scale) std::swap(matrix, scales);
        const auto rows = scales.values.size();
        if (matrix.shape.empty() || rows == 0 || matrix.values.size() % rows != 0) {
            return fail(ErrorCode::model_corrupt, std::format("the scales of {} do not fit it", of),
                        "download the folder again", "path");
        }
        const auto columns = matrix.values.size() / rows;
        for (std::size_t i = 0; i < matrix.values.size(); ++i) matrix.values[i] /= scales.values[i / columns];
        return hand_on(of, matrix.shape, std::move(matrix.values), take);
    }

    static Result<void> hand_on(std::string_view name, const Shape& shape, std::vector<float> values,
                                const TakeTensor& take) {
        struct Ending {
            std::string_view theirs;
            std::string_view ours;
        };
        std::string_view path = name;
        std::string_view ending;
        for (const auto& [theirs, ours] : {Ending{"/weight", ".weight"}, Ending{"/bias", ".bias"},
                                           Ending{"/gamma", ".weight"}, Ending{"/beta", ".bias"}}) {
            if (!name.ends_with(theirs)) continue;
            path = name.substr(0, name.size() - theirs.size());
            ending = ours;
        }
        for (const auto& [ours, index, parts] : parts_of(path)) {
            if (parts == 1) return take(ours + std::string(ending), shape, std::move(values));
            const auto share = values.size() / static_cast<std::size_t>(parts);
            auto part = shape;
            if (part.empty() || part.front() % parts != 0) continue;
            part.front() /= parts;
            const auto from = values.begin() + static_cast<std::ptrdiff_t>(share) * index;
            if (auto taken = take(ours + std::string(ending), part, {from, from + static_cast<std::ptrdiff_t>(share)});
                !taken)
                return taken;
        }
        return {};
    }

    const whisper::Ct2Folder folder_;
    const SpecialTokens special_;
    const WhisperFileInfo info_;
    std::map<std::string, Waiting, std::less<>> waiting_;
};

}  // namespace

Result<std::unique_ptr<WhisperSource>> open_ct2_source(const std::filesystem::path& path) {
    auto folder = whisper::read_ct2_folder(path);
    if (!folder) return std::unexpected(std::move(folder).error());
    const auto extent = [&](std::string_view name, std::size_t dimension) {
        const auto* variable = find(*folder, name);
        return variable != nullptr && variable->shape.size() > dimension ? static_cast<int>(variable->shape[dimension])
                                                                         : 0;
    };
    const int width = extent("encoder/conv1/weight", 0);
    const Dimensions dimensions{.vocabulary = extent("decoder/embeddings/weight", 0),
                                .mels = extent("encoder/conv1/weight", 1),
                                .audio_frames = extent("encoder/position_encodings/encodings", 0),
                                .text_positions = extent("decoder/position_encodings/encodings", 0),
                                .width = width,
                                .heads = width / static_cast<int>(kHeadWidth),
                                .encoder_layers = layers(*folder, "encoder"),
                                .decoder_layers = layers(*folder, "decoder")};
    if (auto sane = check_dimensions(dimensions, path.string()); !sane) return std::unexpected(std::move(sane).error());
    auto special = SpecialTokens::from_names(folder->added);
    if (!special) return std::unexpected(std::move(special).error());
    for (const Token token : {special->no_timestamps, special->end_of_text, special->start}) {
        if (token >= dimensions.vocabulary ||
            static_cast<std::size_t>(special->end_of_text) != folder->vocabulary.size()) {
            return fail(ErrorCode::model_corrupt,
                        std::format("the tokenizer of {} is not that of its weights", path.string()),
                        "download tokenizer.json again, of the same model", "path");
        }
    }
    const auto* sample = find(*folder, "encoder/layer_0/ffn/linear_0/weight");
    WhisperFileInfo info{.dimensions = dimensions,
                         .format = "ctranslate2",
                         .quantization = std::string(name_of(sample->type)),
                         .size_bytes = folder->size_bytes,
                         .tensors = folder->directory.size(),
                         .parameters = folder->parameters};
    for (const auto& [code, token] : special->languages) info.languages.push_back(code);
    if (info.languages.empty()) info.languages = {"en"};
    return std::make_unique<Ct2Source>(*std::move(folder), *std::move(special), std::move(info));
}

}  // namespace hotmic::onnx
