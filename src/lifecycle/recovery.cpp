#include "lifecycle/recovery.hpp"

#include <algorithm>
#include <cmath>

namespace hotmic {

Recovery::Recovery(RetryPolicy retry, SuperviseOptions supervise, std::uint64_t seed)
    : retry_(retry), supervise_(supervise), random_(seed) {}

Recovery::Verdict Recovery::after_death(Clock::time_point now) {
    recovering_ = true;
    failures_ = 0;
    if (note_death(now)) return {.crash_loop = true};
    return {.wait = deaths_.size() == 1 ? Clock::duration::zero() : backoff(static_cast<int>(deaths_.size()) - 1)};
}

Recovery::Verdict Recovery::after_failure(const Error& error, Clock::time_point now) {
    ++failures_;
    if (spec_of(error.code).permanent) return {};
    if (!recovering_) {
        if (failures_ >= retry_.max_attempts) return {};
        return {.wait = backoff(failures_)};
    }
    // Memory may come back and a disk may wake up. An engine that dies each time it starts only burns the machine.
    if (error.code == ErrorCode::worker_crashed && note_death(now)) return {.crash_loop = true};
    return {.wait = backoff(std::max(failures_, static_cast<int>(deaths_.size()) - 1))};
}

void Recovery::succeeded() noexcept {
    failures_ = 0;
    recovering_ = false;
}

void Recovery::forgive() noexcept {
    succeeded();
    deaths_.clear();
}

int Recovery::deaths(Clock::time_point now) const {
    return static_cast<int>(
        std::ranges::count_if(deaths_, [&](auto death) { return now - death < supervise_.crash_loop_window; }));
}

/// True when this one makes a crash loop.
bool Recovery::note_death(Clock::time_point now) {
    deaths_.push_back(now);
    while (now - deaths_.front() >= supervise_.crash_loop_window) deaths_.pop_front();
    return std::ssize(deaths_) >= supervise_.crash_loop_deaths;
}

/// The `step`th wait of a series, from 1.
Clock::duration Recovery::backoff(int step) {
    const double initial = static_cast<double>(retry_.initial_backoff.count());
    const double most = static_cast<double>(retry_.max_backoff.count());
    const double wait = std::min(initial * std::pow(2.0, std::min(step, 64) - 1), most);
    const double factor = std::uniform_real_distribution(1 - retry_.jitter, 1 + retry_.jitter)(random_);
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double, std::milli>(wait * factor));
}

}  // namespace hotmic
