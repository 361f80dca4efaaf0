/// A model section with some keys set anew, as a request to swap a model has them.
#pragma once

#include <map>
#include <string>

#include "config/config.hpp"
#include "config/schema.hpp"
#include "hotmic/error.hpp"

namespace hotmic::config {

/// `section`, the settings of the model `name`, with `keys` ("path", "warmup.level": as in the schema, without
/// "models.*.") over it. A new path without a digest of its own drops the old file's digest. Errors: config_invalid
/// with every problem, as a configuration file with these keys would get them; also for keys that a swap does not
/// change, because they are of the name and not of what is loaded (aliases, required, load, fallback).
[[nodiscard]] Result<Model> overlay(const Model& section, const std::map<std::string, Value>& keys,
                                    const std::string& name = "default");

}  // namespace hotmic::config
