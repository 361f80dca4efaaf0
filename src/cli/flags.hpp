/// Flags that several commands have.
#pragma once

#include <string>
#include <utility>

#include "cli/commands.hpp"
#include "hotmic/transcript.hpp"

namespace CLI {
class App;
}

namespace hotmic::cli {

/// --config and --set.
void add_config_flags(CLI::App& command, ConfigFlags& flags);
/// Other names for keys of a model, as --model, and of all models, as --log-level.
void add_model_flags(CLI::App& command, ConfigFlags& flags);
/// Other names for keys of the server, as --port.
void add_server_flags(CLI::App& command, ConfigFlags& flags);
/// How speech is to be heard, as --language.
void add_speech_flags(CLI::App& command, TranscribeOptions& options);

/// A setting as it was given on the command line: "KEY=VALUE" in its two parts. Throws what the grammar reports as
/// wrong usage.
[[nodiscard]] std::pair<std::string, std::string> key_and_value(const std::string& setting);

}  // namespace hotmic::cli
