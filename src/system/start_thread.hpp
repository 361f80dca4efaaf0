/// Threads that may not be had.
#pragma once

#include <format>
#include <system_error>
#include <thread>
#include <utility>

#include "hotmic/error.hpp"

namespace hotmic::system {

[[nodiscard]] inline Error no_thread(const std::system_error& why) {
    return {ErrorCode::worker_start_failed, std::format("no thread can be started: {}", why.what()),
            "allow this user more processes (ulimit -u), or this container more (pids.max)"};
}

/// Starts `work` on a thread of its own. Errors: worker_start_failed where the system allows no further one.
template <class Work>
[[nodiscard]] Result<std::jthread> start_thread(Work&& work) {
    try {
        return std::jthread(std::forward<Work>(work));
    } catch (const std::system_error& why) {
        return std::unexpected(no_thread(why));
    }
}

}  // namespace hotmic::system
