#include "system/niceness.hpp"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <format>
#include <string>
#include <system_error>
#include <thread>

namespace hotmic::system {
namespace {

int niceness_of(pid_t thread) {
    return getpriority(PRIO_PROCESS, static_cast<id_t>(thread));
}

// linux/ioprio.h is not for C++.
constexpr int kOfThread = 1;
constexpr int kByNiceness = 0;
constexpr int kLastOfBestEffort = 2 << 13 | 7;

/// Returns whether any thread had to be changed.
bool set_every_thread(pid_t process, int niceness, int io_priority) {
    bool changed = false;
    std::error_code gone;  // the process may end at any time
    std::filesystem::directory_iterator task(std::format("/proc/{}/task", process), gone);
    for (; !gone && task != std::filesystem::directory_iterator(); task.increment(gone)) {
        const auto name = task->path().filename().string();
        pid_t thread = 0;
        std::from_chars(name.data(), name.data() + name.size(), thread);
        if (syscall(SYS_ioprio_get, kOfThread, thread) != io_priority)
            changed |= syscall(SYS_ioprio_set, kOfThread, thread, io_priority) == 0;
        if (niceness_of(thread) == niceness) continue;
        changed |= setpriority(PRIO_PROCESS, static_cast<id_t>(thread), niceness) == 0;
    }
    return changed;
}

}  // namespace

bool may_raise_priority() {
    bool may = false;
    std::jthread([&may] {  // on Linux a thread has a niceness of its own, so that trying costs the others nothing
        const int before = niceness_of(0);
        may = before < 19 && setpriority(PRIO_PROCESS, 0, before + 1) == 0 && setpriority(PRIO_PROCESS, 0, before) == 0;
    })
        .join();
    return may;
}

void set_niceness_above_ours(pid_t process, int added) {
    constexpr int kMost = 19;
    const int wanted = std::min(niceness_of(getpid()) + added, kMost);
    const int io = added > 0 ? kLastOfBestEffort : kByNiceness;
    // A thread begun while we look may have inherited the old value.
    constexpr int kLooks = 100;
    for (int look = 0; look < kLooks && set_every_thread(process, wanted, io); ++look) {
    }
}

}  // namespace hotmic::system
