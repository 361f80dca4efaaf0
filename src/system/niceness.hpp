/// Processor and disk priority of another process.
#pragma once

#include <sys/types.h>

namespace hotmic::system {

/// Whether this process may take niceness back that it gave: with CAP_SYS_NICE, or RLIMIT_NICE at 20 and more
/// (setpriority(2)). Most containers and users may not, and a priority that can only fall is left alone.
[[nodiscard]] bool may_raise_priority();

/// Adds to this process's niceness and gives the sum, 19 at most, to every thread of `process`; threads it starts later
/// inherit it. With something added, their reads come last among those that share a disk; without, they have the place
/// that their niceness gives them (ioprio_set(2)). A process that has ended is no error.
void set_niceness_above_ours(pid_t process, int added);

}  // namespace hotmic::system
