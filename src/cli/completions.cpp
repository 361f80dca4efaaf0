#include "cli/completions.hpp"

#include <CLI/CLI.hpp>

#include <format>
#include <ranges>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace hotmic::cli {
namespace {

using Words = std::vector<std::string>;

struct Flag {
    Words names{};  // with their dashes; none: an argument by its place
    std::string help{};
    std::string value{};  // what its value is called; empty: it takes none
    Words choices{};
};
struct Command {
    std::string name;
    std::string help;
    std::vector<Flag> flags;
};

/// What a value is called, and its choices: "FORMAT:{txt,srt}".
std::pair<std::string, Words> value_of(const CLI::Option& option) {
    const auto text = option.get_type_name();
    const auto name = text.substr(0, text.find(':'));
    const auto brace = text.find('{');
    if (brace == std::string::npos || !text.ends_with('}')) return {name, {}};
    return {name, std::views::split(std::string_view(text).substr(brace + 1, text.size() - brace - 2), ',') |
                      std::views::transform([](auto part) { return std::string(std::string_view(part)); }) |
                      std::ranges::to<Words>()};
}

std::vector<Flag> flags_of(const CLI::App& command) {
    std::vector<Flag> flags;
    for (const auto* option : command.get_options({})) {
        Flag flag{.help = option->get_description()};
        for (const auto& name : option->get_snames()) flag.names.push_back("-" + name);
        for (const auto& name : option->get_lnames()) flag.names.push_back("--" + name);
        if (option->get_items_expected_max() > 0) std::tie(flag.value, flag.choices) = value_of(*option);
        flags.push_back(std::move(flag));
    }
    return flags;
}

std::vector<Command> commands_of(const CLI::App& app) {
    std::vector<Command> commands;
    for (const auto* each : app.get_subcommands([](const CLI::App*) { return true; }))
        commands.push_back({each->get_name(), each->get_description(), flags_of(*each)});
    return commands;
}

std::string joined(const Words& words, std::string_view between = " ") {
    std::string text;
    for (const auto& word : words) text += (text.empty() ? "" : std::string(between)) + word;
    return text;
}

/// With a backslash before each of these characters.
std::string escaped(std::string_view text, std::string_view special) {
    std::string safe;
    for (const char c : text) {
        if (special.contains(c)) safe += '\\';
        safe += c;
    }
    return safe;
}
/// Within single quotes.
std::string single_quoted(std::string_view text) {
    std::string safe;
    for (const char c : text) safe += c == '\'' ? "'\\''" : std::string(1, c);
    return "'" + safe + "'";
}

std::string for_bash(const std::vector<Command>& commands) {
    Words names;
    std::string flags;
    std::string choices;
    for (const auto& command : commands) {
        names.push_back(command.name);
        Words own;
        for (const auto& flag : command.flags) {
            own.append_range(flag.names);
            if (flag.choices.empty() || flag.names.empty()) continue;
            const auto lead = [&](const std::string& name) { return command.name + "," + name; };
            choices += std::format("        {}) words='{}' ;;\n",
                                   joined(flag.names | std::views::transform(lead) | std::ranges::to<Words>(), " | "),
                                   joined(flag.choices));
        }
        flags += std::format("            {}) words='{}' ;;\n", command.name, joined(own));
    }
    return std::format(
        R"(# Completion of hotmic for bash; written by `hotmic completions bash`.
_hotmic() {{
    local now=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} words=
    COMPREPLY=()
    if [[ $COMP_CWORD -eq 1 ]]; then
        words='{} --help --version'
    else case "${{COMP_WORDS[1]}},$before" in
{}        *) [[ $now != -* ]] || case "${{COMP_WORDS[1]}}" in
{}        esac ;;
    esac fi
    [[ -z $words ]] || mapfile -t COMPREPLY < <(compgen -W "$words" -- "$now")
}}
complete -o bashdefault -o default -F _hotmic hotmic
)",
        joined(names), choices, flags);
}

std::string for_zsh(const std::vector<Command>& commands) {
    std::string names;
    std::string cases;
    for (const auto& command : commands) {
        names += std::format("        {}\n", single_quoted(escaped(command.name, ":") + ":" + command.help));
        cases += std::format("    {})\n        _arguments -s", command.name);
        for (const auto& flag : command.flags) {
            const auto help = "[" + escaped(flag.help, "[]\\") + "]";
            const auto value = flag.value.empty()
                                   ? std::string()
                                   : std::format(":{}:{}", escaped(flag.value, ":\\"),
                                                 flag.choices.empty() ? "_files" : "(" + joined(flag.choices) + ")");
            for (const auto& name : flag.names)
                cases += std::format(" \\\n            {}", single_quoted(std::format("{}{}{}", name, help, value)));
        }
        cases += " \\\n            '*:file:_files' ;;\n";
    }
    return std::format(
        R"(#compdef hotmic
# Completion of hotmic for zsh; written by `hotmic completions zsh`.
_hotmic() {{
    local -a commands=(
{}    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
{}    esac
}}
if [[ $funcstack[1] = _hotmic ]]; then _hotmic "$@"; else compdef _hotmic hotmic; fi
)",
        names, cases);
}

std::string for_fish(const std::vector<Command>& commands) {
    const auto quoted_for_fish = [](std::string_view text) { return "'" + escaped(text, "'\\") + "'"; };
    std::string text =
        "# Completion of hotmic for fish; written by `hotmic completions fish`.\n"
        "complete -c hotmic -n __fish_use_subcommand -f\n"
        "complete -c hotmic -n __fish_use_subcommand -l version -d 'Its version'\n";
    for (const auto& command : commands) {
        text += std::format("complete -c hotmic -n __fish_use_subcommand -a {} -d {}\n", command.name,
                            quoted_for_fish(command.help));
        for (const auto& flag : command.flags) {
            if (flag.names.empty()) continue;
            text += std::format("complete -c hotmic -n '__fish_seen_subcommand_from {}'", command.name);
            for (const auto& name : flag.names)
                text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
            if (!flag.choices.empty())
                text += " -x -a " + quoted_for_fish(joined(flag.choices));
            else if (!flag.value.empty())
                text += " -r";
            text += std::format(" -d {}\n", quoted_for_fish(flag.help));
        }
    }
    return text;
}

}  // namespace

const std::vector<std::string>& completion_shells() {
    static const std::vector<std::string> shells{"bash", "zsh", "fish"};
    return shells;
}

std::string completion_script(const CLI::App& app, std::string_view shell) {
    const auto commands = commands_of(app);
    if (shell == "zsh") return for_zsh(commands);
    if (shell == "fish") return for_fish(commands);
    return for_bash(commands);
}

}  // namespace hotmic::cli
