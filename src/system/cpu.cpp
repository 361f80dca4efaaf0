#include "system/cpu.hpp"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>

namespace hotmic::system {
namespace {

namespace fs = std::filesystem;

int affinity() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    return std::max(1, CPU_COUNT(&set));
}

/// The folder of this process's group in the unified hierarchy; empty where there is none.
fs::path own_group() {
    std::ifstream groups("/proc/self/cgroup");
    for (std::string line; std::getline(groups, line);) {
        if (line.starts_with("0::/")) return fs::path("/sys/fs/cgroup") / line.substr(4);
    }
    return {};
}

}  // namespace

int quota_of(const fs::path& cpu_max) {
    std::ifstream in(cpu_max);
    std::string quota;
    double period = 0;
    if (!(in >> quota >> period) || quota == "max" || period <= 0) return 0;
    try {
        return std::max(1, static_cast<int>(std::ceil(std::stod(quota) / period)));
    } catch (const std::exception&) {
        return 0;
    }
}

int usable_cpus() {
    int count = affinity();
    const fs::path top = "/sys/fs/cgroup";
    // A group has no more than those above it.
    for (auto group = own_group(); !group.empty() && group.string().starts_with(top.string());
         group = group.parent_path()) {
        if (const int quota = quota_of(group / "cpu.max"); quota > 0) count = std::min(count, quota);
        if (group == top) break;
    }
    return count;
}

bool sums_bytes_exactly() noexcept {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512vnni") != 0 || __builtin_cpu_supports("avxvnni") != 0;
#else
    return true;
#endif
}

}  // namespace hotmic::system
