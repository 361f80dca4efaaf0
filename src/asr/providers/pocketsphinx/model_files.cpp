#include "asr/providers/pocketsphinx/model_files.hpp"

#include <pocketsphinx.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <format>
#include <fstream>
#include <initializer_list>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "asr/providers/pocketsphinx/integrity.hpp"
#include "hotmic/error.hpp"

namespace hotmic::pocketsphinx {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPackage = "install the model: apt install pocketsphinx-en-us";

/// What the acoustic model cannot do without. `mixture_weights` may stand for `sendump`.
constexpr std::array kAcousticFiles{"mdef", "means", "variances", "transition_matrices", "feat.params"};

fs::path first_with_suffix(const fs::path& folder, std::initializer_list<std::string_view> suffixes) {
    std::error_code error;
    fs::path found;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
        const auto name = entry.path().filename().string();
        if (name.find("phone") != std::string::npos) continue;  // a phone model is no word model
        for (const auto suffix : suffixes) {
            if (name.ends_with(suffix) && (found.empty() || entry.path() < found)) found = entry.path();
        }
    }
    return found;
}

fs::path acoustic_folder(const fs::path& folder) {
    std::error_code error;
    if (fs::exists(folder / "mdef", error)) return folder;
    fs::path found;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
        if (fs::exists(entry.path() / "mdef", error) && (found.empty() || entry.path() < found)) found = entry.path();
    }
    return found;
}

Result<std::uint64_t> checked_size(const fs::path& file) {
    std::error_code error;
    const auto size = fs::file_size(file, error);
    if (error)
        return fail(ErrorCode::model_file_missing, std::format("{} is missing", file.string()), kPackage, "path");
    if (size == 0) return fail(ErrorCode::model_truncated, std::format("{} is empty", file.string()), kPackage, "path");
    if (!std::ifstream(file)) {
        return fail(ErrorCode::model_file_unreadable, std::format("{} cannot be read", file.string()),
                    "check its permissions", "path");
    }
    return size;
}

/// The checks of integrity.hpp, in the order in which the engine reads.
Result<void> check_contents(ModelFiles& files, const fs::path& weights) {
    const auto in = [&](const char* name) { return files.acoustic_model / name; };
    auto intact = check_phones(in("mdef"), files.facts);
    if (intact) intact = check_gaussians(in("means"), files.facts);
    if (intact) intact = check_gaussians(in("variances"), files.facts);
    if (intact) intact = weights.filename() == "sendump" ? check_senone_dump(weights) : check_matrices(weights);
    if (intact) intact = check_matrices(in("transition_matrices"));
    if (intact) intact = check_dictionary(files.dictionary);
    if (intact) intact = check_language_model(files.language_model, files.facts);
    return intact;
}

}  // namespace

Result<ModelFiles> find_model(const fs::path& path) {
    const fs::path folder = path.empty() ? fs::path(ps_default_modeldir()) / "en-us" : path;
    std::error_code error;
    if (!fs::exists(folder, error)) {
        return fail(ErrorCode::model_file_missing, std::format("no model at {}", folder.string()),
                    path.empty() ? kPackage : "check the path", "path");
    }
    if (!fs::is_directory(folder, error)) {
        return fail(ErrorCode::model_not_recognized,
                    std::format("{} is a file; a PocketSphinx model is a folder", folder.string()),
                    "name a folder with an acoustic model, a *.lm.bin and a *.dict, or another provider", "path");
    }
    ModelFiles files{.acoustic_model = acoustic_folder(folder),
                     .language_model = first_with_suffix(folder, {".lm.bin", ".lm", ".lm.gz", ".lm.dmp"}),
                     .dictionary = first_with_suffix(folder, {".dict", ".dic"})};
    const auto missing = [&](const char* what) {
        return fail(ErrorCode::model_not_recognized, std::format("{} has no {}", folder.string(), what), kPackage,
                    "path");
    };
    if (files.acoustic_model.empty()) return missing("acoustic model (a folder with a file mdef)");
    if (files.language_model.empty()) return missing("language model (*.lm.bin)");
    if (files.dictionary.empty()) return missing("dictionary (*.dict)");

    std::vector<fs::path> all{files.language_model, files.dictionary};
    for (const auto* name : kAcousticFiles) all.push_back(files.acoustic_model / name);
    const auto weights =
        files.acoustic_model / (fs::exists(files.acoustic_model / "sendump", error) ? "sendump" : "mixture_weights");
    all.push_back(weights);
    for (const auto& file : all) {
        const auto size = checked_size(file);
        if (!size) return std::unexpected(size.error());
        files.total_bytes += *size;
        if (file == files.language_model) files.language_model_bytes = *size;
        if (file == files.dictionary) files.dictionary_bytes = *size;
    }
    if (auto intact = check_contents(files, weights); !intact) return std::unexpected(std::move(intact).error());
    return files;
}

}  // namespace hotmic::pocketsphinx
