/// What no single key can be blamed for.
#pragma once

#include <vector>

#include "config/load.hpp"

namespace hotmic::config {

/// Fits defaults to values that were set (a warmup budget left alone shrinks to a shorter timeout) and returns what
/// then still contradicts, one error per contradiction, each naming both keys.
[[nodiscard]] std::vector<Error> settle(Loaded& loaded);

}  // namespace hotmic::config
