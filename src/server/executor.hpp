/// A few threads for short work that must not run on the threads that serve sockets.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "system/mutex.hpp"

namespace hotmic::server {

/// Runs tasks in order of submission; a full queue refuses. Tasks must not throw. The destructor runs what is queued.
class Executor {
public:
    Executor(int threads, std::size_t capacity) : capacity_(capacity) {
        for (int i = 0; i < threads; ++i)
            threads_.emplace_back([this](std::stop_token stop) { work(std::move(stop)); });
    }
    ~Executor() {
        for (auto& thread : threads_) thread.request_stop();
    }
    Executor(const Executor&) = delete;
    Executor& operator=(const Executor&) = delete;

    [[nodiscard]] bool submit(std::function<void()> task) {
        const Lock lock(mutex_);
        if (tasks_.size() >= capacity_) return false;
        tasks_.push_back(std::move(task));
        filled_.notify_one();
        return true;
    }

private:
    void work(std::stop_token stop) {
        Lock lock(mutex_);
        while (filled_.wait(lock, stop, [this] HOTMIC_REQUIRES(mutex_) { return !tasks_.empty(); })) {
            auto task = std::move(tasks_.front());
            tasks_.pop_front();
            lock.unlock();
            task();
            task = nullptr;
            lock.lock();
        }
    }

    const std::size_t capacity_;
    Mutex mutex_;
    StoppableCondition filled_;
    std::deque<std::function<void()>> tasks_ HOTMIC_GUARDED_BY(mutex_);
    std::vector<std::jthread> threads_;
};

}  // namespace hotmic::server
