/// Writing a configuration out again, and the documentation of its keys.
#pragma once

#include <string>

#include "config/load.hpp"

namespace hotmic::config {

/// hotmic.toml with every key, its value and where that came from. Secrets are masked.
[[nodiscard]] std::string to_toml(const Loaded& loaded);
/// The same as JSON: {"file": …, "config": {…}, "origins": {"server.port": "default", …}}.
[[nodiscard]] std::string to_json(const Loaded& loaded);
/// docs/configuration.md.
[[nodiscard]] std::string documentation();

/// "default", "file hotmic.toml:4", "environment HOTMIC_SERVER_PORT", "flag --port".
[[nodiscard]] std::string describe(const Origin& origin);

}  // namespace hotmic::config
