#include "config/load.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <format>
#include <ranges>
#include <sstream>
#include <string_view>

#include <toml++/toml.hpp>

#include "config/schema.hpp"
#include "config/suggest.hpp"
#include "config/validate.hpp"

namespace hotmic::config {
namespace {

namespace fs = std::filesystem;
using From = Origin::From;

/// HOTMIC_ variables that are not settings: the file's own, and those of the tests and the build.
bool is_no_setting(std::string_view variable) {
    constexpr std::array<std::string_view, 4> others{"HOTMIC_CONFIG", "HOTMIC_BUILD", "HOTMIC_CACHE",
                                                     "HOTMIC_DEBIAN_MIRROR"};
    return variable.starts_with("HOTMIC_TEST_") || std::ranges::contains(others, variable);
}

std::string type_name(const toml::node& node) {
    switch (node.type()) {
        case toml::node_type::none:
            return "nothing";
        case toml::node_type::table:
            return "a section";
        case toml::node_type::array:
            return "a list";
        case toml::node_type::string:
            return "a string";
        case toml::node_type::integer:
            return "an integer";
        case toml::node_type::floating_point:
            return "a number with a fraction";
        case toml::node_type::boolean:
            return "a boolean";
        case toml::node_type::date:
            return "a date";
        case toml::node_type::time:
            return "a time";
        case toml::node_type::date_time:
            return "a date and time";
    }
    std::unreachable();
}

/// The node as a value of a key, where it is of a type that any key has.
std::optional<Value> value_of(const toml::node& node) {
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* whole = node.as_integer()) return whole->get();
    if (const auto* number = node.as_floating_point()) return number->get();
    if (const auto* flag = node.as_boolean()) return flag->get();
    const auto* array = node.as_array();
    if (!array) return std::nullopt;
    std::vector<std::string> list;
    for (const auto& item : *array) {
        if (!item.is_string()) return std::nullopt;
        list.push_back(item.as_string()->get());
    }
    return list;
}

std::string position(const toml::node& node) {
    return std::format("line {}, column {}", node.source().begin.line, node.source().begin.column);
}

bool is_plain_name(std::string_view name) {
    return !name.empty() && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
}

/// One reading of all sources. Collects problems instead of stopping at the first, so that one run shows them all.
class Reading {
public:
    explicit Reading(const Sources& sources) : sources_(sources) {}

    Result<Loaded> run() {
        if (auto found = find_file(); !found) return std::unexpected(std::move(found.error()));
        toml::table document;
        if (loaded_.file) {
            auto parsed = parse_file();
            if (!parsed) return std::unexpected(std::move(parsed.error()));
            document = std::move(*parsed);
        }
        if (auto named = name_model(document); !named) return std::unexpected(std::move(named.error()));

        for (const auto& key : keys()) loaded_.origins[path_of(key.path, loaded_.model)] = {};
        read_table(document, "");
        read_environment();
        read_flags();
        fill_in();
        if (problems_.empty()) problems_ = settle(loaded_);
        if (!problems_.empty()) return std::unexpected(summary());
        return std::move(loaded_);
    }

private:
    Result<void> find_file() {
        std::error_code ignored;
        if (sources_.file) {
            if (!fs::is_regular_file(*sources_.file, ignored)) {
                return fail(
                    ErrorCode::config_invalid,
                    std::format("{} names {}, which is not a file", sources_.file_asked_by, sources_.file->string()),
                    "give the path of a hotmic.toml, or leave it out to run with defaults", sources_.file_asked_by);
            }
            loaded_.file = sources_.file;
            return {};
        }
        const auto found =
            std::ranges::find_if(sources_.search, [&](const auto& path) { return fs::exists(path, ignored); });
        if (found != sources_.search.end()) loaded_.file = *found;
        return {};
    }

    Result<toml::table> parse_file() const {
        const auto name = loaded_.file->string();
        if (::access(loaded_.file->c_str(), R_OK) != 0) {
            return fail(ErrorCode::config_invalid, std::format("{} cannot be read", name), "check its permissions");
        }
        try {
            return toml::parse_file(name);
        } catch (const toml::parse_error& error) {
            return fail(ErrorCode::config_invalid,
                        std::format("{}: line {}, column {}: {}", name, error.source().begin.line,
                                    error.source().begin.column, error.description()),
                        "the file must be TOML (https://toml.io)");
        }
    }

    /// The model's name decides what its keys and variables are called, so it is settled before any key is read.
    Result<void> name_model(const toml::table& document) {
        std::vector<std::string> names;
        std::string where;
        if (const auto* models = document["models"].as_table()) {
            for (const auto& [name, node] : *models) {
                if (!node.is_table()) continue;  // reported as an unknown key later
                names.emplace_back(name.str());
                where = std::format("{}: ", loaded_.file->string());
            }
        }
        for (const auto& flag : sources_.flags) {
            constexpr std::string_view prefix = "models.";
            if (!flag.key.starts_with(prefix)) continue;
            const auto rest = std::string_view(flag.key).substr(prefix.size());
            const auto name = rest.substr(0, rest.find('.'));
            if (name == "*" || name == rest || std::ranges::contains(names, name)) continue;
            if (names.empty() || !where.empty()) names.emplace_back(name);
        }
        if (names.size() > 1) {
            std::string list;
            for (const auto& name : names) list += (list.empty() ? "" : " and ") + std::format("[models.{}]", name);
            return fail(ErrorCode::config_invalid,
                        std::format("{}{}: this version serves one model per server", where, list),
                        "keep one of them, and run a second server on another port for the other", "models");
        }
        if (names.size() == 1) loaded_.model = names.front();
        if (!is_plain_name(loaded_.model)) {
            return fail(ErrorCode::config_invalid,
                        std::format("{}\"{}\" cannot be the name of a model section", where, loaded_.model),
                        "use letters, digits, _ and -; any further names may be aliases", "models");
        }
        model();
        return {};
    }

    Model& model() { return loaded_.config.models[loaded_.model]; }

    const Key* find_key(std::string_view path) const {
        const auto found = std::ranges::find_if(
            keys(), [&](const Key& key) { return path_of(key.path, loaded_.model) == path || key.path == path; });
        return found == keys().end() ? nullptr : &*found;
    }

    bool is_section(std::string_view path) const {
        const auto prefix = std::string(path) + ".";
        return std::ranges::any_of(
            keys(), [&](const Key& key) { return path_of(key.path, loaded_.model).starts_with(prefix); });
    }

    void read_table(const toml::table& table, const std::string& prefix) {
        for (const auto& [name, node] : table) {
            const auto path = prefix.empty() ? std::string(name.str()) : std::format("{}.{}", prefix, name.str());
            const auto where = std::format("{}: {}", loaded_.file->string(), position(node));
            if (const auto* key = find_key(path)) {
                const auto value = value_of(node);
                if (!value) {
                    problem(where, path, std::format("expected {}, found {}", expectation_of(*key), type_name(node)));
                    continue;
                }
                take(*key, path, *value,
                     {From::file, std::format("{}:{}", loaded_.file->string(), node.source().begin.line)}, where);
            } else if (!is_section(path)) {
                unknown(where, path);
            } else if (const auto* inner = node.as_table()) {
                read_table(*inner, path);
            } else {
                problem(where, path, std::format("expected the section [{}], found {}", path, type_name(node)));
            }
        }
    }

    void read_environment() {
        std::map<std::string, const Key*> variables;
        for (const auto& key : keys()) variables[variable_of(path_of(key.path, loaded_.model))] = &key;
        for (const auto& [name, text] : sources_.environment) {
            if (!name.starts_with("HOTMIC_") || is_no_setting(name)) continue;
            const auto found = variables.find(name);
            if (found == variables.end()) {
                auto names = std::views::keys(variables) | std::ranges::to<std::vector<std::string>>();
                names.emplace_back("HOTMIC_CONFIG");
                const auto nearest = closest(name, names);
                problems_.push_back({ErrorCode::config_invalid, std::format("environment: {} is not a setting", name),
                                     nearest
                                         ? std::format("did you mean {}?", *nearest)
                                         : "`hotmic config --docs` lists the variables; unset those that are not ours",
                                     name});
                continue;
            }
            take_text(*found->second, text, {From::environment, name}, "environment: " + name);
        }
    }

    void read_flags() {
        for (const auto& flag : sources_.flags) {
            const auto where = "command line: " + flag.flag;
            const auto* key = find_key(flag.key);
            if (!key) {
                unknown(where, flag.key);
                continue;
            }
            take_text(*key, flag.value, {From::flag, flag.flag}, where);
        }
    }

    void take_text(const Key& key, std::string_view text, Origin origin, const std::string& where) {
        const auto path = path_of(key.path, loaded_.model);
        auto value = parse_text(key, text);
        if (!value) {
            problem(where, path, value.error());
            return;
        }
        take(key, path, *value, std::move(origin), where);
    }

    void take(const Key& key, const std::string& path, const Value& value, Origin origin, const std::string& where) {
        if (auto done = assign(key, value, loaded_.config, model()); !done) {
            problem(where, path, done.error());
            return;
        }
        loaded_.origins[path] = std::move(origin);
    }

    void problem(const std::string& where, const std::string& path, const std::string& what) {
        problems_.push_back({ErrorCode::config_invalid, std::format("{}: {}: {}", where, path, what), "", path});
    }

    void unknown(const std::string& where, const std::string& path) {
        const auto known = keys() |
                           std::views::transform([&](const Key& key) { return path_of(key.path, loaded_.model); }) |
                           std::ranges::to<std::vector<std::string>>();
        const auto nearest = closest(path, known);
        problems_.push_back(
            {ErrorCode::config_invalid, std::format("{}: there is no key {}", where, path),
             nearest ? std::format("did you mean {}?", *nearest) : "`hotmic config` prints every key there is", path});
    }

    /// Defaults that depend on the environment or on where the file lies.
    void fill_in() {
        auto& config = loaded_.config;
        const auto from_file = [&](const std::string& path) { return loaded_.origins[path].from == From::file; };
        const auto anchor = [&](fs::path& path) { path = (loaded_.file->parent_path() / path).lexically_normal(); };
        if (from_file("models_dir") && config.models_dir.is_relative()) anchor(config.models_dir);
        auto& path = model().path;
        if (from_file(std::format("models.{}.path", loaded_.model)) && !path.empty() && path.is_relative())
            anchor(path);

        if (config.models_dir.empty()) {
            const auto variable = [&](const std::string& name) -> fs::path {
                const auto found = sources_.environment.find(name);
                return found == sources_.environment.end() ? "" : found->second;
            };
            const auto data = variable("XDG_DATA_HOME");
            const auto home = variable("HOME");
            const auto base = !data.empty() ? data : home.empty() ? fs::path("/var/lib") : home / ".local/share";
            config.models_dir = base / "hotmic" / "models";
        }
        const auto aliases = loaded_.origins.find(std::format("models.{}.aliases", loaded_.model));
        if (aliases->second.from == From::standard) std::erase(model().aliases, loaded_.model);
    }

    Error summary() const {
        if (problems_.size() == 1) return problems_.front();
        Error all{ErrorCode::config_invalid, std::format("{} problems with the configuration:", problems_.size()), "",
                  problems_.front().param};
        for (const auto& each : problems_) all.message += "\n  " + each.describe();
        return all;
    }

    const Sources& sources_;
    Loaded loaded_{};
    std::vector<Error> problems_{};
};

}  // namespace

Sources sources_of_process() {
    Sources sources;
    for (char** entry = environ; *entry; ++entry) {
        const std::string_view line(*entry);
        const auto equals = line.find('=');
        if (equals == std::string_view::npos) continue;
        sources.environment.emplace(line.substr(0, equals), line.substr(equals + 1));
    }
    const auto variable = [&](const std::string& name) {
        const auto found = sources.environment.find(name);
        return found == sources.environment.end() ? std::string{} : found->second;
    };
    if (const auto file = variable("HOTMIC_CONFIG"); !file.empty()) {
        sources.file = file;
        sources.file_asked_by = "HOTMIC_CONFIG";
    }
    sources.search.emplace_back("hotmic.toml");
    if (const auto home = variable("XDG_CONFIG_HOME"); !home.empty()) {
        sources.search.emplace_back(fs::path(home) / "hotmic/hotmic.toml");
    } else if (const auto user = variable("HOME"); !user.empty()) {
        sources.search.emplace_back(fs::path(user) / ".config/hotmic/hotmic.toml");
    }
    sources.search.emplace_back("/etc/hotmic/hotmic.toml");
    return sources;
}

Result<Loaded> load(const Sources& sources) {
    return Reading(sources).run();
}

}  // namespace hotmic::config
