#include "config/load.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <format>
#include <fstream>
#include <ios>
#include <map>
#include <ranges>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <toml++/toml.hpp>

#include "config/config.hpp"
#include "config/fill_in.hpp"
#include "config/schema.hpp"
#include "config/sources.hpp"
#include "config/toml_values.hpp"
#include "config/validate.hpp"
#include "hotmic/error.hpp"
#include "text/suggest.hpp"

namespace hotmic::config {
namespace {

namespace fs = std::filesystem;
using From = Origin::From;

constexpr std::string_view kModels = "models.";

/// HOTMIC_ variables that are not settings: the file's own, and those of admin commands, the tests and the build.
bool is_no_setting(std::string_view variable) {
    constexpr std::array<std::string_view, 8> others{"HOTMIC_CONFIG",        "HOTMIC_SERVER_URL", "HOTMIC_ADMIN_KEY",
                                                     "HOTMIC_API_KEY",       "HOTMIC_BUILD",      "HOTMIC_CACHE",
                                                     "HOTMIC_DEBIAN_MIRROR", "HOTMIC_STALE_INDEX"};
    return variable.starts_with("HOTMIC_TEST_") || std::ranges::contains(others, variable);
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
        if (auto named = name_models(document); !named) return std::unexpected(std::move(named.error()));
        pick_default(document);
        for (const auto& each : every_key()) loaded_.origins[each.path] = {};
        read_table(document, "");
        read_credentials();
        read_environment();
        read_flags();
        problems_.append_range(fill_in(loaded_, sources_));
        if (problems_.empty()) problems_ = settle(loaded_);
        if (!problems_.empty()) return std::unexpected(in_one(std::move(problems_)));
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

    /// The names of models decide what keys and variables there are, so they are settled before any key is read.
    Result<void> name_models(const toml::table& document) {
        std::string where;
        if (const auto* sections = document["models"].as_table()) {
            for (const auto& [name, node] : *sections) {
                if (node.is_table()) models().try_emplace(std::string(name.str()));  // others are reported later
            }
            where = std::format("{}: ", loaded_.file->string());
        }
        // On top of a file that has models, a name that only a flag knows is more likely mistyped than meant.
        if (models().empty()) {
            for (const auto& flag : sources_.flags) {
                const auto name = model_named_by(flag.key);
                if (!name.empty() && name != "*") models().try_emplace(std::string(name));
            }
            where = "command line: ";
        }
        for (const auto& name : std::views::keys(models())) {
            if (is_plain_name(name)) continue;
            return fail(ErrorCode::config_invalid,
                        std::format("{}\"{}\" cannot be the name of a model section", where, name),
                        "use letters, digits, _ and -; any further names may be aliases", "models");
        }
        if (models().empty()) models().try_emplace("default");
        return {};
    }

    /// "a" of "models.a.path"; empty for other keys.
    static std::string_view model_named_by(std::string_view key) {
        if (!key.starts_with(kModels)) return {};
        const auto rest = key.substr(kModels.size());
        const auto dot = rest.find('.');
        return dot == std::string_view::npos ? std::string_view{} : rest.substr(0, dot);
    }

    /// Which model flags like --model are about. Its key is read here, before all others, by the same rule.
    void pick_default(const toml::table& document) {
        std::string chosen = document["default_model"].value_or(std::string{});
        std::string where = loaded_.file ? loaded_.file->string() : std::string{};
        if (const auto found = sources_.environment.find("HOTMIC_DEFAULT_MODEL"); found != sources_.environment.end()) {
            chosen = found->second;
            where = "environment: HOTMIC_DEFAULT_MODEL";
        }
        for (const auto& flag : sources_.flags) {
            if (flag.key != "default_model") continue;
            chosen = flag.value;
            where = "command line: " + flag.flag;
        }
        const auto names = std::views::keys(models()) | std::ranges::to<std::vector<std::string>>();
        loaded_.model = names.front();
        if (models().contains(chosen)) {
            loaded_.model = chosen;
        } else if (!chosen.empty()) {
            const auto nearest = closest(chosen, names);
            problems_.push_back(
                {ErrorCode::config_invalid, std::format("{}: default_model: there is no model \"{}\"", where, chosen),
                 nearest ? std::format("did you mean {}?", *nearest) : "there are: " + listed(names), "default_model"});
        } else if (models().contains("default")) {
            loaded_.model = "default";
        } else if (names.size() > 1) {
            problems_.push_back({ErrorCode::config_invalid,
                                 std::format("there are the models {}, and none is the default", listed(names)),
                                 std::format("set default_model to one of them, e.g. default_model = \"{}\", or name "
                                             "one of them default",
                                             names.front()),
                                 "default_model"});
        }
    }

    static std::string listed(const std::vector<std::string>& names) {
        std::string text;
        for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
        return text;
    }

    std::map<std::string, Model>& models() { return loaded_.config.models; }

    /// A key of one model, or of no model (then `model` is the default one and does not matter).
    struct Target {
        const Key* key = nullptr;
        std::string model{};
        std::string path{};
    };

    std::vector<Target> every_key() {
        std::vector<Target> all;
        for (const auto& key : keys()) {
            if (!key.path.starts_with(kModels)) {
                all.push_back({&key, loaded_.model, std::string(key.path)});
                continue;
            }
            for (const auto& name : std::views::keys(models())) all.push_back({&key, name, path_of(key.path, name)});
        }
        return all;
    }

    /// Where "server.port", "models.large.path" or "models.*.path" leads; no key: nowhere.
    Target find(std::string_view path) {
        const auto named = model_named_by(path);
        const auto model = named.empty() || named == "*" ? loaded_.model : std::string(named);
        if ((named.empty() && path.starts_with(kModels)) || !models().contains(model)) return {};
        const auto found =
            std::ranges::find_if(keys(), [&](const Key& key) { return path_of(key.path, named) == path; });
        if (found == keys().end()) return {};
        return {&*found, model, path_of(found->path, model)};
    }

    bool is_section(std::string_view path) {
        const auto prefix = std::string(path) + ".";
        if (path == "models" || (path.starts_with(kModels) && !path.substr(kModels.size()).contains('.'))) return true;
        return std::ranges::any_of(every_key(), [&](const Target& each) { return each.path.starts_with(prefix); });
    }

    void read_table(const toml::table& table, const std::string& prefix) {
        for (const auto& [name, node] : table) {
            const auto path = prefix.empty() ? std::string(name.str()) : std::format("{}.{}", prefix, name.str());
            const auto where = std::format("{}: {}", loaded_.file->string(), position(node));
            if (const auto target = find(path); target.key) {
                const auto value = value_of(node);
                if (!value) {
                    problem(where, path,
                            std::format("expected {}, found {}", expectation_of(*target.key), type_name(node)));
                    continue;
                }
                take(target, *value,
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

    /// Of files that are not ours, which a service may have as well, nothing is said; of those that were to be, it is.
    void read_credentials() {
        if (sources_.credentials.empty()) return;
        std::error_code failed;
        for (const auto& file : fs::directory_iterator(sources_.credentials, failed)) {
            const auto name = file.path().filename().string();
            const auto where = "credentials: " + file.path().string();
            std::error_code ignored;
            if (name.starts_with('.') || file.is_directory(ignored)) continue;
            if (const auto target = find(name); target.key)
                take_credential(target, file.path(), where);
            else if (looks_like_key(name))
                unknown(where, name);
        }
        if (failed) {
            problems_.push_back(
                {ErrorCode::config_invalid,
                 std::format("credentials: {} cannot be read: {}", sources_.credentials.string(), failed.message()),
                 "check CREDENTIALS_DIRECTORY, which systemd sets", "CREDENTIALS_DIRECTORY"});
        }
    }

    void take_credential(const Target& target, const fs::path& file, const std::string& where) {
        auto text = read_small(file);
        if (!text) return problem(where, target.path, text.error());
        const Origin origin{From::credential, file.string()};
        if (target.path == "server.keys_file") return take_text(target, file.string(), origin, where);
        if (kind_of(*target.key) != Kind::list) {
            while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
            return take_text(target, *text, origin, where);
        }
        std::vector<std::string> lines;
        for (const auto line : std::views::split(*text, '\n')) {
            std::string_view item(line);
            if (item.ends_with('\r')) item.remove_suffix(1);
            if (!item.empty()) lines.emplace_back(item);
        }
        take(target, std::move(lines), origin, where);
    }

    /// The text of a file of at most a megabyte, which systemd's credentials are; or why not.
    static std::expected<std::string, std::string> read_small(const fs::path& path) {
        constexpr std::size_t most = 1 << 20;
        std::ifstream file(path, std::ios::binary);
        if (!file) return std::unexpected(std::format("it cannot be read: {}", std::strerror(errno)));
        std::string text(most + 1, '\0');
        file.read(text.data(), static_cast<std::streamsize>(text.size()));
        text.resize(static_cast<std::size_t>(file.gcount()));
        if (file.bad()) return std::unexpected(std::string("it cannot be read"));
        if (text.size() > most) return std::unexpected(std::string("it is larger than a megabyte"));
        return text;
    }

    /// Meant as one of our keys: it names a section of ours, or nearly a key.
    bool looks_like_key(const std::string& name) {
        if (is_section(name.substr(0, name.find('.'))) && name.contains('.')) return true;
        return closest(name,
                       every_key() | std::views::transform(&Target::path) | std::ranges::to<std::vector<std::string>>())
            .has_value();
    }

    void read_environment() {
        // From the names there are to variables, never back: a variable does not tell where a name ends.
        std::map<std::string, std::vector<Target>> variables;
        for (auto& each : every_key()) variables[variable_of(each.path)].push_back(std::move(each));
        for (const auto& [name, text] : sources_.environment) {
            if (!name.starts_with("HOTMIC_") || is_no_setting(name)) continue;
            const auto found = variables.find(name);
            if (found == variables.end()) {
                unknown_variable(name, std::views::keys(variables) | std::ranges::to<std::vector<std::string>>());
            } else if (const auto& meant = found->second; meant.size() > 1) {
                problems_.push_back(
                    {ErrorCode::config_invalid,
                     std::format("environment: {} could be {} or {}", name, meant[0].path, meant[1].path),
                     "set the one that is meant in the file or with --set, or rename a model", name});
            } else {
                take_text(meant.front(), text, {From::environment, name}, "environment: " + name);
            }
        }
    }

    void unknown_variable(const std::string& name, std::vector<std::string> names) {
        names.emplace_back("HOTMIC_CONFIG");
        const auto nearest = closest(name, names);
        problems_.push_back({ErrorCode::config_invalid, std::format("environment: {} is not a setting", name),
                             nearest ? std::format("did you mean {}?", *nearest)
                                     : "`hotmic config --docs` lists the variables; unset those that are not ours",
                             name});
    }

    void read_flags() {
        for (const auto& flag : sources_.flags) {
            const auto where = "command line: " + flag.flag;
            if (const auto target = find(flag.key); target.key) {
                take_text(target, flag.value, {From::flag, flag.flag}, where);
            } else {
                unknown(where, flag.key);
            }
        }
    }

    void take_text(const Target& target, std::string_view text, Origin origin, const std::string& where) {
        auto value = parse_text(*target.key, text);
        if (!value) {
            problem(where, target.path, value.error());
            return;
        }
        take(target, *value, std::move(origin), where);
    }

    void take(const Target& target, const Value& value, Origin origin, const std::string& where) {
        if (auto done = assign(*target.key, value, loaded_.config, models().at(target.model)); !done) {
            problem(where, target.path, done.error());
            return;
        }
        loaded_.origins[target.path] = std::move(origin);
    }

    void problem(const std::string& where, const std::string& path, const std::string& what) {
        problems_.push_back({ErrorCode::config_invalid, std::format("{}: {}: {}", where, path, what), "", path});
    }

    void unknown(const std::string& where, const std::string& path) {
        const auto known =
            every_key() | std::views::transform(&Target::path) | std::ranges::to<std::vector<std::string>>();
        const auto nearest = closest(path, known);
        problems_.push_back(
            {ErrorCode::config_invalid, std::format("{}: there is no key {}", where, path),
             nearest ? std::format("did you mean {}?", *nearest) : "`hotmic config` prints every key there is", path});
    }

    const Sources& sources_;
    Loaded loaded_{};
    std::vector<Error> problems_{};
};

}  // namespace

Result<Loaded> load(const Sources& sources) {
    return Reading(sources).run();
}

}  // namespace hotmic::config
