#include "lifecycle/recovery.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <random>

#include "hotmic/error.hpp"
#include "hotmic/lifecycle_options.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"

namespace hotmic {

Recovery::Recovery(RetryPolicy retry, SuperviseOptions supervise, std::uint64_t seed)
    : retry_(retry), supervise_(supervise), random_(seed) {}

Recovery::Verdict Recovery::after_death(Clock::time_point now, bool excused) {
    recovering_ = true;
    failures_ = 0;
    note_death(now, excused);
    const bool again = !excused && on_probation(now);
    if (!again && !on_probation(now)) pauses_ = 0;
    ready_since_.reset();
    if (again || (!excused && is_crash_loop(now))) return pause(true);
    return {.wait = deaths_.size() == 1 ? Clock::duration::zero() : backoff(static_cast<int>(deaths_.size()) - 1)};
}

Recovery::Verdict Recovery::after_failure(const Error& error, Clock::time_point now) {
    ++failures_;
    if (spec_of(error.code).permanent) return {};
    if (!recovering_) {
        if (failures_ < retry_.max_attempts) return {.wait = backoff(failures_)};
        return retry_.max_attempts == 1 ? Verdict{} : pause(false);
    }
    // Memory may come back and a disk may wake up. An engine that dies each time it starts only burns the machine.
    if (error.code == ErrorCode::worker_crashed) {
        note_death(now, false);
        if (pauses_ > 0 || is_crash_loop(now)) return pause(true);
    }
    return {.wait = backoff(std::max(failures_, static_cast<int>(deaths_.size()) - 1))};
}

void Recovery::excuse(Clock::time_point death) noexcept {
    if (const auto known = std::ranges::find(deaths_, death, &Death::at); known != deaths_.end()) known->excused = true;
}

void Recovery::begin_series() noexcept {
    failures_ = 0;
    pauses_ = 0;
}

void Recovery::succeeded(Clock::time_point now) noexcept {
    failures_ = 0;
    recovering_ = false;
    ready_since_ = now;
}

void Recovery::forgive() noexcept {
    begin_series();
    recovering_ = false;
    deaths_.clear();
}

int Recovery::deaths(Clock::time_point now) const {
    return static_cast<int>(std::ranges::count_if(
        deaths_, [&](const Death& death) { return !death.excused && now - death.at < supervise_.crash_loop_window; }));
}

bool Recovery::is_crash_loop(Clock::time_point now) const {
    return deaths(now) >= supervise_.crash_loop_deaths;
}

/// It has had its one attempt after a pause, and has not been READY for a whole window since.
bool Recovery::on_probation(Clock::time_point now) const {
    return pauses_ > 0 && !(ready_since_ && now - *ready_since_ >= supervise_.crash_loop_window);
}

void Recovery::note_death(Clock::time_point now, bool excused) {
    deaths_.push_back({now, excused});
    while (now - deaths_.front().at >= supervise_.crash_loop_window) deaths_.pop_front();
}

Recovery::Verdict Recovery::pause(bool crash_loop) {
    const double window = static_cast<double>(supervise_.crash_loop_window.count());
    const double times = std::min(std::pow(2.0, std::min(pauses_++, 16)), kLongestPause);
    return {.wait = jittered(window * times), .crash_loop = crash_loop, .pause = true};
}

/// The `step`th wait of a series, from 1.
Clock::duration Recovery::backoff(int step) {
    const double initial = static_cast<double>(retry_.initial_backoff.count());
    const double most = static_cast<double>(retry_.max_backoff.count());
    return jittered(std::min(initial * std::pow(2.0, std::min(step, 64) - 1), most));
}

Clock::duration Recovery::jittered(double ms) {
    const double factor = std::uniform_real_distribution(1 - retry_.jitter, 1 + retry_.jitter)(random_);
    return std::chrono::duration_cast<Clock::duration>(from_ms(ms * factor));
}

}  // namespace hotmic
