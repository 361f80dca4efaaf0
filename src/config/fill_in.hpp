/// Values that depend on the environment, on where the configuration's file lies, and on other keys.
#pragma once

#include <vector>

#include "config/load.hpp"
#include "config/sources.hpp"
#include "hotmic/error.hpp"

namespace hotmic::config {

/// Once all keys have been read: paths in the file are relative to its folder, the folder of models is found, the
/// catalogue is read, and each alias is one model's. Gives what is wrong with the catalogue.
[[nodiscard]] std::vector<Error> fill_in(Loaded& loaded, const Sources& sources);

}  // namespace hotmic::config
