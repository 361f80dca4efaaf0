#include "system/memory.hpp"

#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <format>
#include <fstream>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "hotmic/units.hpp"

namespace hotmic::system {
namespace {

namespace fs = std::filesystem;

constexpr Bytes kUnlimited(std::numeric_limits<std::uint64_t>::max());

std::optional<Bytes> read_size(const fs::path& file) {
    std::ifstream in(file);
    std::uint64_t value = 0;
    if (in >> value) return Bytes(value);
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

struct Sizes {
    Bytes mapped;
    Bytes resident;
};

/// None of a process that has ended (proc_pid_statm(5)).
Sizes sizes_of(pid_t process) {
    std::ifstream statm(std::format("/proc/{}/statm", process));
    std::uint64_t mapped = 0;
    std::uint64_t resident = 0;
    statm >> mapped >> resident;
    const auto page = Bytes(sysconf(_SC_PAGESIZE));
    return {page * mapped, page * resident};
}

}  // namespace

std::optional<Bytes> cgroup_memory_left(const fs::path& proc_cgroup, const fs::path& mount) {
    std::optional<Bytes> least;
    for_each_group(proc_cgroup, mount, [&](const fs::path& group, const Version& version) {
        const auto limit = read_size(group / version.limit);
        const auto usage = read_size(group / version.usage);
        if (!limit || !usage) return;
        const auto droppable = Bytes(read_field(group / "memory.stat", version.droppable).value_or(0));
        least = std::min(least.value_or(kUnlimited), *limit - (*usage - droppable));
    });
    return least;
}

std::optional<Bytes> cgroup_memory_limit() {
    std::optional<Bytes> least;
    for_each_group("/proc/self/cgroup", "/sys/fs/cgroup", [&](const fs::path& group, const Version& version) {
        const auto limit = read_size(group / version.limit);
        // Version 1 spells "no limit" as the largest page-aligned signed number.
        if (limit && *limit < kUnlimited / 4) least = std::min(least.value_or(kUnlimited), *limit);
    });
    return least;
}

Bytes available_memory() {
    auto available = kUnlimited;
    if (const auto kibibytes = read_field("/proc/meminfo", "MemAvailable:")) available = Bytes(*kibibytes) * 1024;
    if (const auto left = cgroup_memory_left("/proc/self/cgroup", "/sys/fs/cgroup"))
        available = std::min(available, *left);
    rlimit limit{};
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        available = std::min(available, Bytes(limit.rlim_cur) - sizes_of(getpid()).mapped);
    return available;
}

Bytes resident_memory() {
    return resident_memory_of(getpid());
}

Bytes resident_memory_of(pid_t process) {
    return sizes_of(process).resident;
}

}  // namespace hotmic::system
