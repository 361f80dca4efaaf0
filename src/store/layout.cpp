#include "store/layout.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace hotmic::store {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 2> kOnnxParts{"encoder_model", "decoder_model"};

bool is_file(const fs::path& path) {
    std::error_code error;
    return fs::is_regular_file(path, error);
}

/// All that belongs to `part`, of each kind of weights; none without a graph.
std::vector<std::string> onnx_files(const fs::path& folder, std::string_view part) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
        auto name = at->path().filename().string();
        if (name.starts_with(part) && is_file(at->path())) names.push_back(std::move(name));
    }
    std::ranges::sort(names);
    const bool graph = std::ranges::any_of(names, [](const auto& name) { return name.ends_with(".onnx"); });
    return graph ? names : std::vector<std::string>{};
}

}  // namespace

std::vector<std::string> files_of_known_layout(const fs::path& folder) {
    std::vector<std::string> files{"model.bin", "config.json", "tokenizer.json"};
    if (std::ranges::all_of(files, [&](const auto& name) { return is_file(folder / name); })) return files;
    for (const std::string inner : {"", "onnx/"}) {
        files.clear();
        const auto all = std::ranges::all_of(kOnnxParts, [&](std::string_view part) {
            const auto found = onnx_files(folder / inner, part);
            for (const auto& name : found) files.push_back(inner + name);
            return !found.empty();
        });
        if (!all) continue;
        for (const std::string& tokens : {inner + "tokenizer.json", std::string("tokenizer.json")}) {
            if (!is_file(folder / tokens)) continue;
            files.push_back(tokens);
            return files;
        }
    }
    return {};
}

}  // namespace hotmic::store
