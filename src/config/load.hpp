/// Reading the configuration: defaults, then hotmic.toml, then credentials, the environment and flags; later ones win.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"

namespace hotmic::config {

/// A key set on the command line.
struct Setting {
    std::string key;    ///< "server.port"; "models.*.path" is the default model's
    std::string value;  ///< as the user spelled it
    std::string flag;   ///< the flag it came by, for messages: "--set", "--port"
};

/// Where to look. All of it is given, so that reading a configuration depends on nothing else.
struct Sources {
    std::optional<std::filesystem::path> file{};       ///< asked for: must exist
    std::string file_asked_by{};                       ///< "--config" or "HOTMIC_CONFIG"
    std::vector<std::filesystem::path> search{};       ///< otherwise: the first of these that exists, or none
    std::filesystem::path credentials{};               ///< folder of files that are named as keys; empty: none
    std::map<std::string, std::string> environment{};  ///< all variables; those that begin with HOTMIC_ are ours
    std::vector<Setting> flags{};                      ///< in the order of the command line
};

/// $HOTMIC_CONFIG, ./hotmic.toml, $XDG_CONFIG_HOME/hotmic/hotmic.toml, /etc/hotmic/hotmic.toml, $CREDENTIALS_DIRECTORY,
/// and the environment.
[[nodiscard]] Sources sources_of_process();

/// Where a value came from.
struct Origin {
    enum class From : std::uint8_t { standard, file, credential, environment, flag };
    From from = From::standard;
    std::string where{};  ///< "hotmic.toml:4", "HOTMIC_SERVER_PORT", "--port"; for defaults why it differs, if it does
};

struct Loaded {
    Config config{};
    std::string model = "default";                ///< name of the default model; one of `config.models`
    std::optional<std::filesystem::path> file{};  ///< that was read
    std::map<std::string, Origin> origins{};      ///< by concrete path, for every key of the schema and every model
};

/// Reads, merges and validates. The models are those that the file has sections for; without any, those that flags
/// name; without any, one named "default". Errors: config_invalid with every problem found, each naming the key, where
/// it was set, what was expected, and the nearest key where one is unknown; io_error when a file cannot be read.
[[nodiscard]] Result<Loaded> load(const Sources& sources);

}  // namespace hotmic::config
