#include "cli/flags.hpp"

#include <CLI/CLI.hpp>

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/commands.hpp"
#include "hotmic/transcript.hpp"

namespace hotmic::cli {
namespace {

/// A flag that is another name for a key of the configuration.
struct Shortcut {
    const char* flag;
    const char* key;
    const char* value;  ///< for a flag that takes none
    const char* type;
    const char* help;
};

constexpr std::array kModelShortcuts{
    Shortcut{"-m,--model", "models.*.path", nullptr, "PATH", "Model file or folder (default: the best found)"},
    Shortcut{"--provider", "models.*.provider", nullptr, "NAME", "Engine: auto, or one that `hotmic providers` lists"},
    Shortcut{"--slots", "models.*.slots", nullptr, "N", "Requests recognized at once"},
    Shortcut{"--threads", "models.*.threads", nullptr, "N", "Threads per slot"},
    Shortcut{"--backend", "models.*.backend", nullptr, "NAME", "What to compute on: auto, cpu, gpu"},
    Shortcut{"--level", "models.*.warmup.level", nullptr, "0-3", "Warmup level"},
    Shortcut{"--in-process", "models.*.isolate", "false", "", "Run the engine in this process instead of a worker"},
    Shortcut{"-M,--model-name", "default_model", nullptr, "NAME", "The model of the configuration that this is about"},
    Shortcut{"--log-level", "log.level", nullptr, "LEVEL", "trace, debug, info, warn, error, off"},
};

constexpr std::array kServeShortcuts{
    Shortcut{"--host", "server.host", nullptr, "ADDRESS", "Address to listen on (default 127.0.0.1)"},
    Shortcut{"-p,--port", "server.port", nullptr, "PORT", "Port to listen on (default 8090); 0: any free one"},
    Shortcut{"--log-format", "log.format", nullptr, "FORMAT", "text or json"},
};

void add_shortcuts(CLI::App& command, ConfigFlags& flags, std::span<const Shortcut> shortcuts) {
    for (const auto& shortcut : shortcuts) {
        const std::string_view names(shortcut.flag);
        const std::string name(names.substr(names.rfind(',') + 1));
        const auto set = [&flags, key = shortcut.key, name](const std::string& value) {
            flags.settings.push_back({key, value, name});
        };
        if (shortcut.value) {
            command.add_flag_callback(
                       shortcut.flag, [set, value = shortcut.value] { set(value); }, shortcut.help)
                ->group("Configuration");
        } else {
            command.add_option_function<std::string>(shortcut.flag, set, shortcut.help)
                ->type_name(shortcut.type)
                ->group("Configuration");
        }
    }
}

}  // namespace

void add_config_flags(CLI::App& command, ConfigFlags& flags) {
    command.add_option("-c,--config", flags.file, "Configuration file (default: $HOTMIC_CONFIG, ./hotmic.toml, …)")
        ->type_name("FILE")
        ->group("Configuration");
    command
        .add_option_function<std::vector<std::string>>(
            "--set",
            [&flags](const std::vector<std::string>& settings) {
                for (const auto& setting : settings) {
                    auto [key, value] = key_and_value(setting);
                    flags.settings.push_back({std::move(key), std::move(value), "--set"});
                }
            },
            "Any key of the configuration, e.g. --set server.port=9000")
        ->type_name("KEY=VALUE")
        ->allow_extra_args(false)
        ->take_all()
        ->group("Configuration");
}

void add_model_flags(CLI::App& command, ConfigFlags& flags) {
    add_shortcuts(command, flags, kModelShortcuts);
}

void add_server_flags(CLI::App& command, ConfigFlags& flags) {
    add_shortcuts(command, flags, kServeShortcuts);
}

void add_speech_flags(CLI::App& command, TranscribeOptions& options) {
    command.add_option("-l,--language", options.language, "Code or name; default: detected")->type_name("LANGUAGE");
    command
        .add_option("--languages", options.languages,
                    "Those that may be spoken, for detection; default: all that the model knows")
        ->delimiter(',')
        ->type_name("LANGUAGE,…")
        ->allow_extra_args(false);
    command.add_flag("--tag-audio-events", options.tag_audio_events,
                     "Keep what the model writes of sounds: [Music], (applause)");
    command.add_option("--prompt", options.prompt, "Text that shows spelling and context")->type_name("TEXT");
}

std::pair<std::string, std::string> key_and_value(const std::string& setting) {
    const auto equals = setting.find('=');
    if (equals == std::string::npos) throw CLI::ValidationError("--set", setting + " is not KEY=VALUE");
    return {setting.substr(0, equals), setting.substr(equals + 1)};
}

}  // namespace hotmic::cli
