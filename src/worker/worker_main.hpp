/// The other side: what a worker process runs.
#pragma once

#include "hotmic/provider.hpp"

namespace hotmic::worker {

/// Serves one model to the process that started this one, over file descriptor 3, until that closes it. Returns the
/// exit code.
[[nodiscard]] int worker_main(const ProviderRegistry& providers);

/// The same for a process that only says what files are (worker/examiner.hpp), within limits of its own.
[[nodiscard]] int examiner_main(const ProviderRegistry& providers);

}  // namespace hotmic::worker
