#include "config/overlay.hpp"

#include <algorithm>
#include <format>
#include <map>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "config/load.hpp"
#include "config/schema.hpp"
#include "config/validate.hpp"
#include "hotmic/error.hpp"
#include "text/suggest.hpp"

namespace hotmic::config {
namespace {

using From = Origin::From;

constexpr std::string_view kPrefix = "models.*.";

std::string_view below(const Key& key) {
    return key.path.substr(kPrefix.size());
}

auto keys_of_models() {
    return keys() | std::views::filter([](const Key& key) { return key.path.starts_with(kPrefix); });
}

Error unknown(const std::string& name) {
    auto known = keys_of_models();
    const auto names = known | std::views::transform([](const Key& key) { return std::string(below(key)); }) |
                       std::ranges::to<std::vector<std::string>>();
    const auto nearest = closest(name, names);
    return {ErrorCode::config_invalid, std::format("a model has no key {}", name),
            nearest ? std::format("did you mean {}?", *nearest) : "`hotmic config --docs` lists them under [models.*]",
            name};
}

/// What was given for a key counts as set where it differs from the default: contradictions of set values are errors,
/// defaults give way.
std::map<std::string, Origin> origins_of(Config& config, const std::string& name) {
    std::map<std::string, Origin> origins;
    Model standard;
    for (const auto& key : keys_of_models()) {
        const bool set = read(key, config, config.models.at(name)) != read(key, config, standard);
        origins[path_of(key.path, name)] = set ? Origin{From::file, "as it is"} : Origin{};
    }
    return origins;
}

}  // namespace

Result<Model> overlay(const Model& section, const std::map<std::string, Value>& wanted, const std::string& name) {
    Loaded loaded{.model = name};
    auto& model = loaded.config.models[name] = section;
    loaded.origins = origins_of(loaded.config, name);
    const auto former_path = model.path;

    std::vector<Error> problems;
    const auto blame = [&](const std::string& key, std::string message, std::string remedy) {
        problems.push_back({ErrorCode::config_invalid, std::move(message), std::move(remedy), key});
    };
    for (const auto& [wanted_key, value] : wanted) {
        auto candidates = keys_of_models();
        const auto key = std::ranges::find(candidates, wanted_key, below);
        if (key == candidates.end()) {
            problems.push_back(unknown(wanted_key));
        } else if (key->effect == Effect::restart) {
            blame(wanted_key, std::format("{} is not changed by a swap", wanted_key),
                  std::format("set models.{}.{} in the configuration and start the server anew", name, wanted_key));
        } else if (auto done = assign(*key, value, loaded.config, model); !done) {
            blame(wanted_key, std::format("{}: {}", wanted_key, done.error()), "");
        } else {
            loaded.origins[path_of(key->path, name)] = {From::flag, "asked for"};
        }
    }
    if (model.path != former_path && !wanted.contains("sha256")) {
        model.sha256.clear();
        loaded.origins[std::format("models.{}.sha256", name)] = {};
    }
    if (problems.empty()) problems = settle_model(loaded, name);
    if (!problems.empty()) return std::unexpected(in_one(std::move(problems)));
    return model;
}

}  // namespace hotmic::config
