#include "asr/whisper/ggml_file.hpp"

#include <ggml.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <format>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <ios>
#include <istream>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"

namespace hotmic::whisper {
namespace {

constexpr std::uint32_t kMagic = 0x67676d6c;  // "ggml"
constexpr std::int32_t kFilterBins = 201;     // n_fft / 2 + 1 of a 400-sample window
constexpr std::uint32_t kLongestToken = 512;
constexpr std::uint64_t kLargestVocabulary = 4 << 20;  // bytes; the published ones have 0.6 MB
constexpr std::int32_t kLongestTensorName = 128;
constexpr std::int32_t kHeadSize = 64;  // of every published model; the engine's kernels abort on odd ones

constexpr const char* kGetFileAgain =
    "download the model again; ggml-*.bin files of whisper.cpp are what this provider loads";

struct KnownShape {
    std::int32_t state;
    std::int32_t audio_layers;
    std::int32_t text_layers;
    std::string_view name;
};
constexpr std::array kShapes{KnownShape{384, 4, 4, "tiny"},          KnownShape{512, 6, 6, "base"},
                             KnownShape{768, 12, 12, "small"},       KnownShape{768, 12, 4, "distil-small"},
                             KnownShape{1024, 24, 24, "medium"},     KnownShape{1024, 24, 2, "distil-medium"},
                             KnownShape{1280, 32, 32, "large"},      KnownShape{1280, 32, 4, "large-v3-turbo"},
                             KnownShape{1280, 32, 2, "distil-large"}};

/// Reads forward, knows how much is left, and keeps what it read.
class Cursor {
public:
    Cursor(std::istream& in, std::uint64_t size) : in_(in), left_(size) {}

    template <class T>
    bool read(T& value) {
        std::array<char, sizeof value> bytes{};
        if (!read(bytes.data(), bytes.size())) return false;
        value = std::bit_cast<T>(bytes);
        return true;
    }
    bool read(char* into, std::uint64_t count) {
        if (count > left_ || !in_.read(into, static_cast<std::streamsize>(count))) return false;
        left_ -= count;
        kept_.append(into, count);
        return true;
    }
    /// What was kept of the last `count` bytes read.
    [[nodiscard]] std::string_view last(std::size_t count) const {
        return std::string_view(kept_).substr(kept_.size() - count);
    }
    /// Reads `count` bytes, which the caller has bounded, only to keep them.
    bool keep(std::uint64_t count) {
        if (count > left_) return false;
        const auto held = kept_.size();
        kept_.resize(held + count);
        if (!in_.read(kept_.data() + held, static_cast<std::streamsize>(count))) return false;
        left_ -= count;
        return true;
    }
    bool skip(std::uint64_t count) {
        if (count > left_ || !in_.seekg(static_cast<std::streamoff>(count), std::ios::cur)) return false;
        left_ -= count;
        return true;
    }
    [[nodiscard]] std::uint64_t left() const { return left_; }
    [[nodiscard]] std::string take_kept() { return std::move(kept_); }

private:
    std::istream& in_;
    std::uint64_t left_;
    std::string kept_;
};

class Reader {
public:
    Reader(std::istream& in, std::uint64_t size, const std::string& name) : cursor_(in, size), name_(name) {
        file_.size_bytes = size;
    }

    Result<ModelFile> read() {
        using Step = Result<void> (Reader::*)();
        for (const Step step :
             {&Reader::magic, &Reader::dimensions, &Reader::filters, &Reader::vocabulary, &Reader::tensors}) {
            if (auto done = (this->*step)(); !done) return std::unexpected(std::move(done).error());
        }
        file_.skeleton = cursor_.take_kept();
        return std::move(file_);
    }

private:
    std::unexpected<Error> truncated(std::string_view where) const {
        return fail(ErrorCode::model_truncated,
                    std::format("{} ends {} (it has {} bytes)", name_, where, file_.size_bytes), kGetFileAgain, "path");
    }
    static std::unexpected<Error> unsupported(std::string what) {
        return fail(
            ErrorCode::model_unsupported, std::move(what),
            "convert it with whisper.cpp's models/convert-*.py and quantize, or download the ggml-*.bin of the model",
            "path");
    }
    /// An eight-byte length, then JSON. Reads on, so it is asked last.
    bool looks_like_safetensors() {
        std::array<char, 5> rest{};
        return cursor_.read(rest.data(), rest.size()) && rest == std::array<char, 5>{0, 0, 0, 0, '{'};
    }
    std::unexpected<Error> corrupt(std::string what) const {
        return fail(ErrorCode::model_corrupt, std::format("{} is damaged: {}", name_, what), kGetFileAgain, "path");
    }

    Result<void> magic() {
        if (file_.size_bytes == 0)
            return fail(ErrorCode::model_truncated, std::format("{} is empty", name_), kGetFileAgain, "path");
        std::array<char, 4> bytes{};
        if (!cursor_.read(bytes.data(), bytes.size())) return truncated("before the magic number");
        const std::string_view text(bytes.data(), bytes.size());
        if (std::bit_cast<std::uint32_t>(bytes) == kMagic) return {};
        const auto foreign = [&](std::string_view what) {
            return unsupported(std::format("{} is {}, not a ggml-whisper file", name_, what));
        };
        if (text == "GGUF") return foreign("a GGUF file");
        if (text == "PK\3\4") return foreign("a PyTorch checkpoint or zip archive");
        if (text.starts_with("\x80")) return foreign("a Python pickle (PyTorch checkpoint)");
        if (looks_like_safetensors()) return foreign("a safetensors file");
        return fail(ErrorCode::model_not_recognized,
                    std::format("{} is not a Whisper model (no ggml magic number)", name_), kGetFileAgain, "path");
    }

    Result<void> dimensions() {
        auto& h = file_.header;
        for (auto* field : {&h.n_vocab, &h.n_audio_ctx, &h.n_audio_state, &h.n_audio_head, &h.n_audio_layer,
                            &h.n_text_ctx, &h.n_text_state, &h.n_text_head, &h.n_text_layer, &h.n_mels, &h.ftype}) {
            if (!cursor_.read(*field)) return truncated("within its dimensions");
        }
        struct Rule {
            std::string_view name;
            std::int32_t value;
            bool sane;
        };
        const auto one_of = [](std::int32_t value, std::initializer_list<std::int32_t> allowed) {
            return std::ranges::contains(allowed, value);
        };
        const auto heads_fit = [](std::int32_t state, std::int32_t heads) {
            return heads > 0 && heads <= 64 && state == heads * kHeadSize;
        };
        const auto type = h.ftype % GGML_QNT_VERSION_FACTOR;
        const std::array rules{
            Rule{"n_vocab", h.n_vocab, one_of(h.n_vocab, {51864, 51865, 51866})},
            Rule{"n_audio_ctx", h.n_audio_ctx, h.n_audio_ctx == 1500},
            Rule{"n_audio_state", h.n_audio_state,
                 h.n_audio_state >= 64 && h.n_audio_state <= 2048 && h.n_audio_state % kHeadSize == 0},
            Rule{"n_audio_head", h.n_audio_head, heads_fit(h.n_audio_state, h.n_audio_head)},
            Rule{"n_audio_layer", h.n_audio_layer, one_of(h.n_audio_layer, {4, 6, 12, 24, 32})},
            Rule{"n_text_ctx", h.n_text_ctx, h.n_text_ctx == 448},
            Rule{"n_text_state", h.n_text_state, h.n_text_state == h.n_audio_state},
            Rule{"n_text_head", h.n_text_head, heads_fit(h.n_text_state, h.n_text_head)},
            Rule{"n_text_layer", h.n_text_layer, one_of(h.n_text_layer, {2, 4, 6, 12, 24, 32})},
            Rule{"n_mels", h.n_mels, one_of(h.n_mels, {80, 128})},
            Rule{"ftype", h.ftype, h.ftype >= 0 && type >= 0 && weight_type(type).has_value()},
        };
        for (const auto& [name, value, sane] : rules) {
            if (!sane) return corrupt(std::format("{} = {} is nothing a Whisper model has", name, value));
        }
        const auto weights = *weight_type(type);
        if (!ggml_is_quantized(weights)) return {};
        // The engine trusts both: another version's blocks are read as numbers, and a row that is no whole number of
        // blocks aborts.
        if (const auto version = h.ftype / GGML_QNT_VERSION_FACTOR; version != GGML_QNT_VERSION) {
            return unsupported(std::format("{} is quantized in version {} of the format; this engine reads version {}",
                                           name_, version, GGML_QNT_VERSION));
        }
        if (const auto block = ggml_blck_size(weights); h.n_text_state % block != 0) {
            return unsupported(std::format("{} has {} values a row, which {} (blocks of {}) cannot hold", name_,
                                           h.n_text_state, ggml_type_name(weights), block));
        }
        return {};
    }

    Result<void> filters() {
        std::int32_t mels = 0;
        std::int32_t bins = 0;
        if (!cursor_.read(mels) || !cursor_.read(bins)) return truncated("before its mel filters");
        if (mels != file_.header.n_mels || bins != kFilterBins)
            return corrupt(std::format("mel filters of {} × {}", mels, bins));
        if (!cursor_.keep(sizeof(float) * static_cast<std::uint64_t>(mels) * static_cast<std::uint64_t>(bins)))
            return truncated("within its mel filters");
        auto& numbers = file_.mel_filters;
        numbers.resize(static_cast<std::size_t>(mels) * static_cast<std::size_t>(bins));
        std::memcpy(numbers.data(), cursor_.last(numbers.size() * sizeof(float)).data(),
                    numbers.size() * sizeof(float));
        if (!std::ranges::all_of(numbers, [](float value) { return std::isfinite(value); }))
            return corrupt("its mel filters hold numbers that are not finite");
        return {};
    }

    Result<void> vocabulary() {
        std::int32_t count = 0;
        if (!cursor_.read(count)) return truncated("before its vocabulary");
        if (count <= 0 || count > file_.header.n_vocab) return corrupt(std::format("a vocabulary of {} tokens", count));
        std::uint64_t total = 0;
        for (std::int32_t i = 0; i < count; ++i) {
            std::uint32_t length = 0;
            if (!cursor_.read(length))
                return truncated(std::format("within its vocabulary (token {} of {})", i, count));
            if (length > kLongestToken) return corrupt(std::format("token {} is {} bytes long", i, length));
            total += length;
            if (total > kLargestVocabulary) return corrupt("a vocabulary larger than any");
            if (!cursor_.keep(length))
                return truncated(std::format("within its vocabulary (token {} of {})", i, count));
            file_.vocabulary.emplace_back(cursor_.last(length));
        }
        return {};
    }

    Result<void> tensors() {
        const auto& h = file_.header;
        // Outside the blocks 11; 15 in each of the encoder's, 24 in each of the decoder's.
        const auto expected =
            11 + 15 * static_cast<std::uint64_t>(h.n_audio_layer) + 24 * static_cast<std::uint64_t>(h.n_text_layer);
        if (cursor_.left() == 0) return truncated("after its vocabulary, without a single weight");
        std::set<std::string, std::less<>> seen;
        while (cursor_.left() > 0) {
            if (seen.size() == expected) return corrupt(std::format("{} bytes follow its last tensor", cursor_.left()));
            auto name = tensor();
            if (!name) return std::unexpected(std::move(name).error());
            if (!seen.insert(*name).second) return corrupt(std::format("tensor {} is there twice", *name));
        }
        if (seen.size() != expected) return truncated(std::format("after {} of {} tensors", seen.size(), expected));
        return {};
    }

    /// Passes over one tensor and returns its name.
    Result<std::string> tensor() {
        std::int32_t dims = 0;
        std::int32_t length = 0;
        std::int32_t type = 0;
        if (!cursor_.read(dims) || !cursor_.read(length) || !cursor_.read(type))
            return truncated("within a tensor's header");
        if (dims < 1 || dims > 4) return corrupt(std::format("a tensor of {} dimensions", dims));
        if (length < 1 || length > kLongestTensorName) return corrupt(std::format("a tensor name of {} bytes", length));
        if (type < 0 || type >= GGML_TYPE_COUNT || ggml_blck_size(static_cast<ggml_type>(type)) == 0) {
            return corrupt(std::format("a tensor of unknown type {}", type));
        }
        std::uint64_t rows = 1;
        std::int32_t row = 0;
        std::vector<std::int64_t> shape(static_cast<std::size_t>(dims));
        for (std::int32_t i = 0; i < dims; ++i) {
            std::int32_t extent = 0;
            if (!cursor_.read(extent)) return truncated("within a tensor's header");
            if (extent < 1 || extent > (1 << 20)) return corrupt(std::format("a tensor extent of {}", extent));
            shape[static_cast<std::size_t>(dims - 1 - i)] = extent;
            if (i == 0)
                row = extent;
            else
                rows *= static_cast<std::uint64_t>(extent);
            if (rows > (1ull << 31)) return corrupt("a tensor larger than any model");
        }
        std::string name(static_cast<std::size_t>(length), '\0');
        if (!cursor_.read(name.data(), name.size())) return truncated("within a tensor's name");
        if (!name.starts_with("encoder.") && !name.starts_with("decoder."))
            return corrupt("a tensor that belongs to no Whisper model");
        const auto element = static_cast<ggml_type>(type);
        if (row % ggml_blck_size(element) != 0)
            return corrupt(std::format("tensor {} has rows of {} in blocks", name, row));
        const auto bytes = ggml_row_size(element, row) * rows;
        file_.data.push_back({file_.size_bytes - cursor_.left(), bytes});
        file_.directory.push_back({name, type, std::move(shape)});
        if (!cursor_.skip(bytes)) return truncated(std::format("within tensor {}", name));
        file_.tensor_bytes += bytes;
        file_.parameters += rows * static_cast<std::uint64_t>(row);
        return name;
    }

public:
    static std::optional<ggml_type> weight_type(std::int32_t ftype) {
        switch (ftype) {
            case GGML_FTYPE_ALL_F32:
            case GGML_FTYPE_MOSTLY_F16:
            case GGML_FTYPE_MOSTLY_Q4_0:
            case GGML_FTYPE_MOSTLY_Q4_1:
            case GGML_FTYPE_MOSTLY_Q5_0:
            case GGML_FTYPE_MOSTLY_Q5_1:
            case GGML_FTYPE_MOSTLY_Q8_0:
            case GGML_FTYPE_MOSTLY_Q2_K:
            case GGML_FTYPE_MOSTLY_Q3_K:
            case GGML_FTYPE_MOSTLY_Q4_K:
            case GGML_FTYPE_MOSTLY_Q5_K:
            case GGML_FTYPE_MOSTLY_Q6_K:
                return ggml_ftype_to_ggml_type(static_cast<ggml_ftype>(ftype));
            default:
                return std::nullopt;
        }
    }

private:
    Cursor cursor_;
    const std::string& name_;
    ModelFile file_;
};

}  // namespace

std::string ModelHeader::size_name() const {
    const auto* found = std::ranges::find_if(kShapes, [&](const KnownShape& shape) {
        return shape.state == n_audio_state && shape.audio_layers == n_audio_layer && shape.text_layers == n_text_layer;
    });
    std::string name(found == kShapes.end() ? "custom" : found->name);
    if (name == "large" && n_mels == 128) name = "large-v3";
    return multilingual() ? name : name + ".en";
}

std::string ModelHeader::quantization() const {
    const auto type = Reader::weight_type(ftype % GGML_QNT_VERSION_FACTOR);
    return type ? ggml_type_name(*type) : "unknown";
}

Result<ModelFile> read_model_file(std::istream& in, std::uint64_t size_bytes, const std::string& name) {
    return Reader(in, size_bytes, name).read();
}

Result<ModelFile> read_model_file(const std::filesystem::path& path) {
    namespace fs = std::filesystem;
    std::error_code error;
    const auto name = path.string();
    const auto status = fs::status(path, error);
    if (!fs::exists(status)) {
        return fail(ErrorCode::model_file_missing, std::format("there is no model file at {}", name),
                    "check the path, or download the model", "path");
    }
    if (fs::is_directory(status)) {
        return fail(ErrorCode::model_not_recognized, std::format("{} is a folder; a Whisper model is one file", name),
                    "name the ggml-*.bin file in it", "path");
    }
    if (!fs::is_regular_file(status)) {
        return fail(ErrorCode::model_file_unreadable, std::format("{} is not a regular file", name),
                    "name a ggml-*.bin file", "path");
    }
    const auto size = fs::file_size(path, error);
    std::ifstream in(path, std::ios::binary);
    if (error || !in)
        return fail(ErrorCode::model_file_unreadable, std::format("{} cannot be read", name), "check its permissions",
                    "path");
    auto file = read_model_file(in, size, name);
    if (!file && in.bad())
        return fail(ErrorCode::io_error, std::format("reading {} failed", name), "check the disk (dmesg)", "path");
    return file;
}

}  // namespace hotmic::whisper
