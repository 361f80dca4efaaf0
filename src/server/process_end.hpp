/// The end of the process, whatever else is under way.
#pragma once

#include <signal.h>

#include <chrono>

#include "hotmic/state.hpp"

namespace hotmic::server {

/// SIGTERM, SIGINT and SIGHUP: taken by those who wait for them, so blocked in every thread.
[[nodiscard]] sigset_t signals_taken();

/// Waits up to `patience` for one of them; 0 when none came.
[[nodiscard]] int await_signal(std::chrono::milliseconds patience);

/// From now on until the process has ended: it ends at once when SIGTERM or SIGINT comes, and with exit code 1 at
/// `latest`, however far its threads and destructors are. SIGHUP is passed over. Workers end by themselves when their
/// channel closes. Call once, when the shutdown begins.
void end_by(Deadline latest);

}  // namespace hotmic::server
