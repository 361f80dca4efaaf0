#include "config/print.hpp"

#include <format>
#include <ranges>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <toml++/toml.hpp>

#include "config/config.hpp"
#include "config/load.hpp"
#include "config/schema.hpp"

namespace hotmic::config {
namespace {

/// What may be shown: secrets keep their number and lose their text.
Value shown(const Key& key, Value value) {
    if (!key.secret) return value;
    if (auto* list = std::get_if<std::vector<std::string>>(&value)) {
        for (auto& item : *list) item = "********";
    }
    if (auto* text = std::get_if<std::string>(&value); text && !text->empty()) *text = "********";
    return value;
}

bool is_of_model(std::string_view path) {
    return path.starts_with("models.*");
}

/// The key's path below its section.
std::string name_below(const Section& section, const Key& key) {
    return std::string(section.path.empty() ? key.path : key.path.substr(section.path.size() + 1));
}

void insert(toml::table& table, std::string_view path, const Value& value) {
    const auto dot = path.find('.');
    if (dot != std::string_view::npos) {
        auto [place, fresh] = table.emplace<toml::table>(path.substr(0, dot));
        insert(*place->second.as_table(), path.substr(dot + 1), value);
        return;
    }
    std::visit(
        [&]<class T>(const T& held) {
            if constexpr (std::is_same_v<T, std::vector<std::string>>) {
                toml::array array;
                for (const auto& item : held) array.push_back(item);
                table.insert_or_assign(path, std::move(array));
            } else if constexpr (!std::is_same_v<T, std::monostate>) {
                table.insert_or_assign(path, held);
            }
        },
        value);
}

std::string type_text(const Key& key) {
    auto text = expectation_of(key);
    if (text.starts_with("an ")) return text.substr(3);
    if (text.starts_with("a ")) return text.substr(2);
    return text;
}

}  // namespace

std::string describe(const Origin& origin) {
    switch (origin.from) {
        case Origin::From::standard:
            return origin.where.empty() ? "default" : "default, " + origin.where;
        case Origin::From::file:
            return "file " + origin.where;
        case Origin::From::credential:
            return "credential " + origin.where;
        case Origin::From::environment:
            return "environment " + origin.where;
        case Origin::From::flag:
            return "flag " + origin.where;
    }
    std::unreachable();
}

std::string to_toml(const Loaded& loaded) {
    auto config = loaded.config;  // fields are reached through pointers that could write
    std::string text = loaded.file
                           ? std::format("# Read from {}.\n", loaded.file->string())
                           : "# No hotmic.toml was found: these are the defaults, the environment and the flags.\n";
    const auto write = [&](const Section& section, const std::string& name) {
        auto& model = config.models.at(name);
        if (!section.path.empty()) text += std::format("\n[{}]\n", path_of(section.path, name));
        for (const auto& key : keys()) {
            if (&section_of(key) != &section) continue;
            const auto below = name_below(section, key);
            const auto value = shown(key, read(key, config, model));
            const auto origin = describe(loaded.origins.at(path_of(key.path, name)));
            if (std::holds_alternative<std::monostate>(value)) {
                text += std::format("# {} is not set\n", below);
            } else {
                text += std::format("{:<48} # {}\n", std::format("{} = {}", below, to_toml(value)), origin);
            }
        }
    };
    for (const auto& section : sections()) {
        if (!is_of_model(section.path)) write(section, loaded.model);
    }
    for (const auto& name : std::views::keys(loaded.config.models)) {
        for (const auto& section : sections()) {
            if (is_of_model(section.path)) write(section, name);
        }
    }
    return text;
}

std::string to_json(const Loaded& loaded) {
    auto config = loaded.config;
    toml::table values;
    toml::table origins;
    for (auto& [name, model] : config.models) {
        for (const auto& key : keys()) {
            const auto path = path_of(key.path, name);
            insert(values, path, shown(key, read(key, config, model)));
            origins.insert_or_assign(path, describe(loaded.origins.at(path)));
        }
    }
    toml::table document;
    if (loaded.file) document.insert("file", loaded.file->string());
    document.insert("model", loaded.model);
    document.insert("config", std::move(values));
    document.insert("origins", std::move(origins));
    std::ostringstream out;
    out << toml::json_formatter{document} << '\n';
    return std::move(out).str();
}

std::string documentation() {
    std::string text =
        "# Configuration\n"
        "\n"
        "<!-- Written by `hotmic config --docs` from src/config/schema.cpp; a test fails when it is out of date. -->\n"
        "\n"
        "hotmic runs without any configuration. What you set comes from five places; later ones win:\n"
        "\n"
        "1. defaults;\n"
        "2. a file: the one given with `--config`, else `$HOTMIC_CONFIG`, else the first that exists of "
        "`./hotmic.toml`,\n"
        "   `$XDG_CONFIG_HOME/hotmic/hotmic.toml` (usually `~/.config/hotmic/hotmic.toml`) and "
        "`/etc/hotmic/hotmic.toml`;\n"
        "3. credentials: files in `$CREDENTIALS_DIRECTORY`, where systemd puts what `LoadCredential=` says, named as "
        "the key:\n"
        "   `server.api_keys`, `server.admin_key`. Lists have a line for each; keys are told to nobody, not even "
        "`ps`;\n"
        "4. the environment: `HOTMIC_`, then the key in capitals with `_` for every dot: `HOTMIC_SERVER_PORT=9000`.\n"
        "   Lists are comma-separated;\n"
        "5. flags: `--set server.port=9000`, or the short forms that `hotmic serve --help` lists.\n"
        "\n"
        "`hotmic config` prints what results, with where each value came from. Unknown keys, unknown `HOTMIC_` "
        "variables, values\n"
        "of the wrong type or range, and settings that contradict each other are errors: nothing is ignored. "
        "(`HOTMIC_SERVER_URL`,\n"
        "`HOTMIC_ADMIN_KEY` and `HOTMIC_API_KEY` belong to [commands that ask a server](cli.md); `HOTMIC_TEST_…`, "
        "`HOTMIC_BUILD`,\n"
        "`HOTMIC_CACHE`, `HOTMIC_DEBIAN_MIRROR` and `HOTMIC_STALE_INDEX` to the tests and the build.)\n"
        "\n"
        "```toml\n"
        "[server]\n"
        "port = 9000\n"
        "\n"
        "[models.default]\n"
        "path = \"/models/ggml-base.en.bin\"\n"
        "slots = 2\n"
        "\n"
        "[models.default.warmup]\n"
        "level = 3\n"
        "level3.iterations = 10\n"
        "ready_if.rtf_p95_below = 0.5\n"
        "```\n"
        "\n"
        "## Several models\n"
        "\n"
        "Each `[models.NAME]` is a model with settings of its own, asked for by its name or one of its `aliases`. The "
        "default model\n"
        "serves requests that name none; `--model`, `--level` and the other short flags are about it, too, so "
        "`--model-name NAME`\n"
        "(short for `--set default_model=NAME`) turns them to another.\n"
        "\n"
        "```toml\n"
        "default_model = \"small\"\n"
        "\n"
        "[models.small]\n"
        "path = \"/models/ggml-small.bin\"\n"
        "fallback = [\"sphinx\"]        # serves while small cannot\n"
        "\n"
        "[models.large]\n"
        "path = \"/models/ggml-large-v3.bin\"\n"
        "required = false             # its failure leaves the server ready\n"
        "load = \"demand\"\n"
        "idle_unload_ms = 600_000\n"
        "\n"
        "[models.sphinx]\n"
        "provider = \"pocketsphinx\"\n"
        "```\n"
        "\n"
        "Sections of the file say which models there are. Without any, flags do: `--set models.small.path=…` makes "
        "`small`.\n"
        "Variables reach the models that are there: with `[models.large-v3]`, `HOTMIC_MODELS_LARGE_V3_SLOTS` is its "
        "`slots`.\n"
        "A variable that could mean two keys is an error.\n"
        "\n"
        "The server is ready when every `required` model, or a fallback of it, is READY; one that loads on demand and "
        "rests counts\n"
        "as ready, one that has failed does not. A required model for which nothing can be chosen ends the start; "
        "another one is\n"
        "listed with the reason. Where the path is left open for several models, those with a path are given their "
        "memory first.\n"
        "\n"
        "## While it runs\n"
        "\n"
        "SIGHUP (or `POST /admin/reload`) reads the configuration again. New models are added and loaded, missing ones "
        "drained and\n"
        "removed, those whose settings have changed swapped as their `swap` says, without losing a request; a "
        "configuration with a\n"
        "mistake changes nothing and is logged. Other changes, and a model's `aliases`, `required`, `load` and "
        "`fallback`, need a\n"
        "restart, and are logged as waiting for it. `hotmic swap` changes\n"
        "a model until the next restart, without a file.\n"
        "\n"
        "Variables below are spelled for a model named `default`.\n";
    Config config;
    Model model;
    for (const auto& section : sections()) {
        text += section.path.empty() ? "\n## Top level\n" : std::format("\n## [{}]\n", section.path);
        text +=
            std::format("\n{}\n\n| key | value | default | variable | meaning |\n|---|---|---|---|---|\n", section.doc);
        for (const auto& key : keys()) {
            if (&section_of(key) != &section) continue;
            const auto value = read(key, config, model);
            const auto standard =
                std::holds_alternative<std::monostate>(value) ? "not set" : std::format("`{}`", to_toml(value));
            text += std::format("| `{}` | {} | {} | `{}` | {} |\n", name_below(section, key), type_text(key), standard,
                                variable_of(path_of(key.path, "default")), key.doc);
        }
    }
    return text;
}

}  // namespace hotmic::config
