/// Reading the configuration: defaults, then hotmic.toml, then credentials, the environment and flags; later ones win.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "config/config.hpp"
#include "config/sources.hpp"
#include "hotmic/error.hpp"

namespace hotmic::config {

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
