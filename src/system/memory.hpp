/// What the kernel says about memory.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>

#include "hotmic/units.hpp"

namespace hotmic::system {

/// What this process (or a child of it) could still have: the least of MemAvailable, what is left under every memory
/// cgroup above us (v1 or v2; page cache the kernel would drop is counted as left), and the rest of RLIMIT_AS.
[[nodiscard]] Bytes available_memory();

/// The smallest memory limit of a cgroup we are in, if there is one.
[[nodiscard]] std::optional<Bytes> cgroup_memory_limit();

/// Resident set size of this process.
[[nodiscard]] Bytes resident_memory();
/// The same of another one; none when it has ended.
[[nodiscard]] Bytes resident_memory_of(pid_t process);

/// What is left under the memory cgroup of `proc_cgroup`'s process (the text of /proc/PID/cgroup), reading limits
/// below `mount` (usually /sys/fs/cgroup). Apart so that tests can lay out a hierarchy of their own.
[[nodiscard]] std::optional<Bytes> cgroup_memory_left(const std::filesystem::path& proc_cgroup,
                                                      const std::filesystem::path& mount);

}  // namespace hotmic::system
