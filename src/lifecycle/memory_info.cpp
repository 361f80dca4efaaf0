#include "lifecycle/memory_info.hpp"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace hotmic {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

std::optional<std::uint64_t> read_number(const fs::path& file) {
    std::ifstream in(file);
    std::uint64_t value = 0;
    if (in >> value) return value;
    return std::nullopt;  // absent, or the word "max"
}

/// The value behind `key` in a file of "key value" lines.
std::optional<std::uint64_t> read_field(const fs::path& file, std::string_view key) {
    std::ifstream in(file);
    for (std::string word; in >> word;) {
        if (word != key) continue;
        std::uint64_t value = 0;
        if (in >> value) return value;
    }
    return std::nullopt;
}

/// File names of one cgroup version.
struct Version {
    const char* limit;
    const char* usage;
    const char* droppable;  // field of memory.stat: page cache that goes first under pressure
};
constexpr Version kV1{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"};
constexpr Version kV2{"memory.max", "memory.current", "inactive_file"};

/// Calls `visit` with each memory cgroup from the process's own up to the root.
void for_each_group(const fs::path& proc_cgroup, const fs::path& mount,
                    const std::function<void(const fs::path&, const Version&)>& visit) {
    std::ifstream in(proc_cgroup);
    for (std::string line; std::getline(in, line);) {  // "4:memory:/path" (v1) or "0::/path" (v2)
        const auto first = line.find(':');
        const auto second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos) continue;
        const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
        const bool v1 = controllers.find(",memory,") != std::string::npos;
        const bool v2 = controllers == ",,";
        if (!v1 && !v2) continue;
        const fs::path root = v1 ? mount / "memory" : mount;
        for (fs::path group = line.substr(second + 1);; group = group.parent_path()) {
            visit(root / group.relative_path(), v1 ? kV1 : kV2);
            if (group == group.parent_path()) break;
        }
    }
}

}  // namespace

std::optional<std::uint64_t> cgroup_memory_left(const fs::path& proc_cgroup, const fs::path& mount) {
    std::optional<std::uint64_t> least;
    for_each_group(proc_cgroup, mount, [&](const fs::path& group, const Version& version) {
        const auto limit = read_number(group / version.limit);
        const auto usage = read_number(group / version.usage);
        if (!limit || !usage) return;
        const auto droppable = read_field(group / "memory.stat", version.droppable).value_or(0);
        const auto used = *usage - std::min(*usage, droppable);
        const auto left = *limit - std::min(*limit, used);
        least = std::min(least.value_or(kUnlimited), left);
    });
    return least;
}

std::optional<std::uint64_t> cgroup_memory_limit() {
    std::optional<std::uint64_t> least;
    for_each_group("/proc/self/cgroup", "/sys/fs/cgroup", [&](const fs::path& group, const Version& version) {
        const auto limit = read_number(group / version.limit);
        // Version 1 spells "no limit" as the largest page-aligned signed number.
        if (limit && *limit < (kUnlimited >> 2)) least = std::min(least.value_or(kUnlimited), *limit);
    });
    return least;
}

std::uint64_t available_memory() {
    std::uint64_t available = read_field("/proc/meminfo", "MemAvailable:").value_or(kUnlimited / 1024) * 1024;
    if (const auto left = cgroup_memory_left("/proc/self/cgroup", "/sys/fs/cgroup"))
        available = std::min(available, *left);
    rlimit limit{};
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        std::ifstream statm("/proc/self/statm");
        std::uint64_t pages = 0;
        statm >> pages;
        const auto used = pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
        available = std::min<std::uint64_t>(available, limit.rlim_cur - std::min<std::uint64_t>(limit.rlim_cur, used));
    }
    return available;
}

std::uint64_t resident_memory() {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t total = 0;
    std::uint64_t resident = 0;
    statm >> total >> resident;
    return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

void trim_heap() {
    malloc_trim(0);
}

}  // namespace hotmic
