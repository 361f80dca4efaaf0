/// What a configuration is read from.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

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

}  // namespace hotmic::config
