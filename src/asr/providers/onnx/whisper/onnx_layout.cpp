#include "asr/providers/onnx/whisper/onnx_layout.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <format>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"

namespace hotmic::onnx {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEnding = ".onnx";
constexpr std::string_view kEncoder = "encoder_model";
constexpr std::array<std::string_view, 2> kDecoders{"decoder_model_merged", "decoder_model"};

/// What follows a name says what its weights are. The most exact first; others come after.
int rank_of(std::string_view suffix) {
    constexpr std::array<std::string_view, 12> kOrder{"",    "_fp16", "_uint8", "_quantized", "_int8", ".int8",
                                                      "_q8", "_q4",   "_q4f16", "_bnb4",      "_q2",   "_q1"};
    return static_cast<int>(std::ranges::find(kOrder, suffix) - kOrder.begin());
}

/// Stems of a folder's .onnx files that begin so.
std::vector<std::string> stems_in(const fs::path& folder) {
    std::vector<std::string> stems;
    std::error_code error;
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
        const auto name = at->path().filename().string();
        if (name.ends_with(kEnding)) stems.push_back(name.substr(0, name.size() - kEnding.size()));
    }
    std::ranges::sort(stems);
    return stems;
}

bool there(const fs::path& path) {
    std::error_code error;
    return fs::exists(path, error);
}

std::unexpected<Error> missing(const fs::path& folder, std::string_view what) {
    return fail(ErrorCode::model_file_missing, std::format("{} has no {}", folder.string(), what),
                "download all files of the model", "path");
}

/// What follows the encoder's name in the best file there; `wanted`: only that one.
std::optional<std::string> best_suffix(std::vector<std::string> found, const std::optional<std::string>& wanted) {
    if (wanted && std::ranges::contains(found, *wanted)) return wanted;
    std::ranges::stable_sort(found, {}, [](const std::string& suffix) { return rank_of(suffix); });
    return found.empty() ? std::nullopt : std::optional(found.front());
}

Result<std::optional<OnnxLayout>> huggingface(const fs::path& folder, const std::vector<std::string>& stems,
                                              const std::optional<std::string>& wanted) {
    const auto suffixes_of = [&](std::string_view name) {
        std::vector<std::string> found;
        for (const auto& stem : stems) {
            if (!stem.starts_with(name)) continue;
            const auto suffix = stem.substr(name.size());
            if (name == "decoder_model" && suffix.starts_with("_merged")) continue;
            found.push_back(suffix);
        }
        return found;
    };
    const auto encoder = best_suffix(suffixes_of(kEncoder), wanted);
    std::optional<std::string> decoder;
    // An encoder of one kind is often run with a decoder of another.
    const auto same = wanted ? wanted : encoder;
    for (const auto exact : {true, false}) {
        for (const auto name : kDecoders) {
            const auto suffix = best_suffix(suffixes_of(name), same);
            if (!decoder && suffix && (suffix == same || !exact)) decoder = std::string(name) + *suffix;
        }
    }
    if (!encoder && !decoder) return std::nullopt;
    if (!encoder) return missing(folder, "encoder_model.onnx");
    if (!decoder) return missing(folder, "decoder_model_merged.onnx or decoder_model.onnx");
    OnnxLayout made{.kind = OnnxLayout::Kind::huggingface,
                    .encoder = folder / (std::string(kEncoder) + *encoder + std::string(kEnding)),
                    .decoder = folder / (*decoder + std::string(kEnding))};
    for (const auto& at : {folder, folder.parent_path()}) {
        made.tokens = at / "tokenizer.json";
        if (there(made.tokens)) return made;
    }
    return missing(folder, "tokenizer.json, beside its files or in the folder above");
}

Result<std::optional<OnnxLayout>> sherpa(const fs::path& folder, const std::vector<std::string>& stems,
                                         const std::string& wanted) {
    struct Found {
        std::string name;
        std::string suffix;
    };
    std::vector<Found> encoders;
    for (const auto& stem : stems) {
        const auto at = stem.rfind("-encoder");
        if (at == stem.npos || at == 0) continue;
        Found each{stem.substr(0, at), stem.substr(at + std::string_view("-encoder").size())};
        // Other kinds of models have such names, too; without the tokens in this form it is none of ours.
        if (there(folder / (each.name + "-tokens.txt"))) encoders.push_back(std::move(each));
    }
    if (encoders.empty()) return std::nullopt;
    std::ranges::stable_sort(encoders, {}, [&](const Found& each) {
        const bool meant =
            each.name + "-encoder" + each.suffix == wanted || each.name + "-decoder" + each.suffix == wanted;
        return std::pair(!meant, rank_of(each.suffix));
    });
    const auto& [name, suffix] = encoders.front();
    OnnxLayout made{.kind = OnnxLayout::Kind::sherpa,
                    .encoder = folder / std::format("{}-encoder{}.onnx", name, suffix),
                    .decoder = folder / std::format("{}-decoder{}.onnx", name, suffix),
                    .tokens = folder / (name + "-tokens.txt")};
    if (!there(made.decoder)) made.decoder = folder / (name + "-decoder.onnx");
    if (!there(made.decoder)) made.decoder = folder / (name + "-decoder.int8.onnx");
    if (!there(made.decoder)) return missing(folder, name + "-decoder.onnx");
    return made;
}

}  // namespace

Result<std::optional<OnnxLayout>> find_onnx_layout(const fs::path& path) {
    std::error_code error;
    if (fs::is_directory(path, error)) {
        for (const auto& folder : {path, path / "onnx"}) {
            const auto stems = stems_in(folder);
            auto found = huggingface(folder, stems, std::nullopt);
            if (found && !*found) found = sherpa(folder, stems, "");
            if (!found || *found) return found;
        }
        return std::nullopt;
    }
    if (!path.filename().string().ends_with(kEnding) || !there(path)) return std::nullopt;
    const auto folder = path.parent_path().empty() ? fs::path(".") : path.parent_path();
    const auto stem = path.stem().string();
    for (const auto name : {kEncoder, kDecoders[0], kDecoders[1]}) {
        if (stem.starts_with(name)) return huggingface(folder, stems_in(folder), stem.substr(name.size()));
    }
    return sherpa(folder, stems_in(folder), stem);
}

}  // namespace hotmic::onnx
