/// What the kernel says about memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace hotmic {

/// Bytes this process (or a child of it) could still have: the least of MemAvailable, what is left under every memory
/// cgroup above us (v1 or v2; page cache the kernel would drop is counted as left), and the rest of RLIMIT_AS.
[[nodiscard]] std::uint64_t available_memory();

/// The smallest memory limit of a cgroup we are in, if there is one.
[[nodiscard]] std::optional<std::uint64_t> cgroup_memory_limit();

/// Resident set size of this process.
[[nodiscard]] std::uint64_t resident_memory();

/// Gives free heap pages back to the kernel, so that `resident_memory` shows what is really in use.
void trim_heap();

/// The bytes left under the memory cgroup of `proc_cgroup`'s process (the text of /proc/PID/cgroup), reading limits
/// below `mount` (usually /sys/fs/cgroup). Apart so that tests can lay out a hierarchy of their own.
[[nodiscard]] std::optional<std::uint64_t> cgroup_memory_left(const std::filesystem::path& proc_cgroup,
                                                              const std::filesystem::path& mount);

}  // namespace hotmic
