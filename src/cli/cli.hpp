/// The command line.
#pragma once

#include "hotmic/provider.hpp"

namespace hotmic::cli {

/// Runs one command and returns the exit code of the process: 0 done, 2 wrong usage, else `exit_code_of` the error.
/// Nothing throws out of it.
[[nodiscard]] int run(int argc, char** argv, const ProviderRegistry& providers);

}  // namespace hotmic::cli
