/// What this process may use of the machine's processors.
#pragma once

#include <filesystem>

namespace hotmic::system {

/// Processors this process may keep busy at once: those of its affinity mask, no more than the quota of its control
/// groups allows (cpu.max of https://docs.kernel.org/admin-guide/cgroup-v2.html, rounded up); at least 1.
[[nodiscard]] int usable_cpus();

/// Processors' worth of time that one `cpu.max` grants, rounded up; 0: no limit, or no such file.
[[nodiscard]] int quota_of(const std::filesystem::path& cpu_max);

/// The processor multiplies bytes into 32-bit sums (AVX-512 VNNI, AVX-VNNI). Older ones add pairs of products in 16
/// bits, which saturate where both factors have 8 bits.
[[nodiscard]] bool sums_bytes_exactly() noexcept;

}  // namespace hotmic::system
