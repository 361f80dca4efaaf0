#include "asr/providers/onnx/transducer/folder.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <format>
#include <iterator>
#include <ranges>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "asr/languages.hpp"
#include "asr/providers/onnx/file_bytes.hpp"
#include "asr/providers/onnx/model_check.hpp"
#include "asr/providers/onnx/transducer/examination.hpp"
#include "asr/providers/onnx/transducer/families.hpp"
#include "asr/providers/onnx/transducer/pieces.hpp"
#include "hotmic/error.hpp"

namespace hotmic::onnx {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSuffix = ".onnx";

enum class Weights : std::uint8_t { bytes, floats, halves };

Weights weights_of(const std::string& file) {
    if (file.ends_with(".int8.onnx")) return Weights::bytes;
    return file.ends_with(".fp16.onnx") ? Weights::halves : Weights::floats;
}

std::vector<fs::path> files_of(const fs::path& folder, std::string_view part) {
    std::vector<fs::path> files;
    std::error_code error;
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
        const auto name = at->path().filename().string();
        if (!name.starts_with('.') && name.ends_with(kSuffix) && name.contains(part)) files.push_back(at->path());
    }
    std::ranges::sort(files);
    return files;
}

/// The one file of `part`, of the first of `order` that there is.
Result<fs::path> choose(const fs::path& folder, std::string_view part, std::span<const Weights> order) {
    const auto files = files_of(folder, part);
    if (files.empty()) {
        return fail(ErrorCode::model_file_missing,
                    std::format("{} has no {} (*{}*{})", folder.string(), part, part, kSuffix),
                    "download the whole model", "path");
    }
    for (const auto wanted : order) {
        std::vector<fs::path> fitting;
        std::ranges::copy_if(files, std::back_inserter(fitting),
                             [&](const fs::path& file) { return weights_of(file.filename().string()) == wanted; });
        if (fitting.size() == 1) return fitting.front();
        if (fitting.size() > 1) {
            return fail(ErrorCode::model_not_recognized,
                        std::format("{} has several {}s: {} and {}", folder.string(), part,
                                    fitting[0].filename().string(), fitting[1].filename().string()),
                        "keep one of them in the folder", "path");
        }
    }
    return fail(ErrorCode::config_invalid,
                std::format("quantize = \"none\", but {} has its {} in 8 bits only", folder.string(), part),
                "leave quantize out, or add the file with floats", "quantize");
}

Result<TransducerPart> look_at(const Result<fs::path>& file) {
    if (!file) return std::unexpected(file.error());
    const auto mapped = MappedFile::open(*file);
    if (!mapped) return std::unexpected(mapped.error());
    auto facts = check_model(mapped->bytes(), *file);
    if (!facts) return std::unexpected(std::move(facts).error());
    return TransducerPart{*file, *std::move(facts)};
}

/// Languages that a name such as "sherpa-onnx-streaming-zipformer-bilingual-zh-en-2023-02-20" tells.
std::vector<std::string> languages_in(const std::string& name) {
    std::vector<std::string> found;
    for (const auto part : std::views::split(name, '-')) {
        const std::string_view word(part.begin(), part.end());
        // Short words of English are codes, too.
        static const std::set<std::string_view> kWords{"is", "no", "so", "to", "my", "or", "am", "as", "be"};
        if (word.size() < 2 || word.size() == 3 || kWords.contains(word)) continue;
        const auto code = language_code(word);
        if (code && !std::ranges::contains(found, *code)) found.emplace_back(*code);
    }
    return found;
}

std::vector<std::string> languages_of(const fs::path& folder) {
    // In a hub's cache the folder is named by a commit, and the one two above it by the model.
    for (auto at = folder; at.has_relative_path(); at = at.parent_path().parent_path()) {
        if (auto found = languages_in(at.filename().string()); !found.empty()) return found;
        if (at.parent_path().filename() != "snapshots") break;
    }
    return {};
}

Result<void> examine(TransducerFolder& folder) {
    const bool is_nemo = has_input(folder.encoder, "audio_signal") || folder.decoder.facts.outputs.size() > 1;
    return is_nemo ? examine_nemo(folder) : examine_icefall(folder);
}

Result<void> read_pieces(TransducerFolder& folder) {
    if (fs::exists(folder.path / "bbpe.model")) return unsupported(folder.encoder, "has pieces of bytes (bbpe.model)");
    const auto file = folder.path / "tokens.txt";
    auto read = Pieces::read(file);
    if (!read) return std::unexpected(std::move(read).error());
    // icefall's may have more, which are never heard.
    const bool fits = folder.family == TransducerFamily::icefall
                          ? std::cmp_greater_equal(read->size(), folder.vocabulary)
                          : std::cmp_equal(read->size(), folder.vocabulary);
    if (!fits) {
        return fail(ErrorCode::model_corrupt,
                    std::format("{} has {} pieces, but {} tells {} apart", file.string(), read->size(),
                                folder.joiner.file.string(), folder.vocabulary),
                    "take the tokens.txt that came with the model", "path");
    }
    folder.pieces = *std::move(read);
    return {};
}

}  // namespace

std::size_t CarriedState::bytes() const {
    std::size_t bytes = type == kOnnxInt64 ? sizeof(std::int64_t) : sizeof(float);
    for (const auto size : shape) {
        if (__builtin_mul_overflow(bytes, static_cast<std::size_t>(size), &bytes)) return SIZE_MAX;
    }
    return bytes;
}

std::uint64_t bytes_of(const std::vector<CarriedState>& states) {
    std::uint64_t sum = 0;
    for (const auto& state : states) sum += state.bytes();
    return sum;
}

bool looks_like_transducer(const fs::path& path) {
    std::error_code error;
    return fs::is_directory(path, error) && !files_of(path, "joiner").empty();
}

Result<TransducerFolder> read_transducer_folder(const fs::path& path, const std::string& quantize) {
    if (!quantize.empty() && quantize != "int8" && quantize != "none") {
        return fail(ErrorCode::config_invalid, std::format("quantize = \"{}\" is nothing this engine does", quantize),
                    "set it to \"int8\" or \"none\"", "quantize");
    }
    using enum Weights;
    // The decoder is a table and one small matrix: nothing is gained by 8 bits.
    constexpr std::array kSmall{floats, bytes, halves};
    constexpr std::array kLarge{bytes, floats, halves};
    constexpr std::array kFloats{floats, halves};
    const bool whole = quantize == "none";
    TransducerFolder folder{.path = path, .name = path.filename().string()};
    if (folder.name.empty()) folder.name = path.parent_path().filename().string();
    for (const auto& [part, name, order] :
         {std::tuple{&folder.encoder, "encoder", whole ? std::span<const Weights>(kFloats) : kLarge},
          std::tuple{&folder.decoder, "decoder", whole ? std::span<const Weights>(kFloats) : kSmall},
          std::tuple{&folder.joiner, "joiner", whole ? std::span<const Weights>(kFloats) : kLarge}}) {
        auto found = look_at(choose(path, name, order));
        if (!found) return std::unexpected(std::move(found).error());
        *part = *std::move(found);
    }
    folder.quantization = folder.encoder.facts.has_bytes ? "int8" : "f32";
    std::error_code error;
    const auto absolute = fs::absolute(path, error).lexically_normal();
    folder.languages = languages_of(absolute.has_filename() ? absolute : absolute.parent_path());
    if (auto fine = examine(folder); !fine) return std::unexpected(std::move(fine).error());
    if (auto fine = read_pieces(folder); !fine) return std::unexpected(std::move(fine).error());
    return folder;
}

}  // namespace hotmic::onnx
