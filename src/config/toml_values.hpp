/// What stands in a TOML file, as values of keys and in words.
#pragma once

#include <optional>
#include <string>

#include <toml++/toml.hpp>

#include "config/schema.hpp"

namespace hotmic::config {

/// "a string", "a list", …
[[nodiscard]] std::string type_name(const toml::node& node);
/// The node as a value of a key; none where no key has values of its type.
[[nodiscard]] std::optional<Value> value_of(const toml::node& node);
/// "line 4, column 1".
[[nodiscard]] std::string position(const toml::node& node);

}  // namespace hotmic::config
