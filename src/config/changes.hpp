/// What differs between two configurations, and what it takes to follow.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/config.hpp"

namespace hotmic::config {

struct Changes {
    std::vector<std::string> added{};    ///< models
    std::vector<std::string> removed{};  ///< models
    /// Models to be swapped, each with the keys that changed: "models.default.path".
    std::map<std::string, std::vector<std::string>> swapped{};
    /// Other keys that changed and count only after a restart: "server.port", "models.default.aliases".
    std::vector<std::string> restart{};

    [[nodiscard]] bool none() const noexcept {
        return added.empty() && removed.empty() && swapped.empty() && restart.empty();
    }
    friend bool operator==(const Changes&, const Changes&) = default;
};

/// Compares values, not where they came from.
[[nodiscard]] Changes changes(const Config& before, const Config& after);

}  // namespace hotmic::config
