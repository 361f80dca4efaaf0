/// What no single key can be blamed for.
#pragma once

#include <string>
#include <vector>

#include "config/load.hpp"
#include "hotmic/error.hpp"

namespace hotmic::config {

/// Fits defaults to values that were set (a warmup budget left alone shrinks to a shorter timeout) and returns what
/// then still contradicts, one error per contradiction, each naming both keys: the server's, each model's, and those
/// between models.
[[nodiscard]] std::vector<Error> settle(Loaded& loaded);
/// The same for one model on its own.
[[nodiscard]] std::vector<Error> settle_model(Loaded& loaded, const std::string& name);
/// Several problems as one error that lists them; one as it is.
[[nodiscard]] Error in_one(std::vector<Error> problems);

}  // namespace hotmic::config
