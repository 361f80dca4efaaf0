/// What follows a failure: another attempt after a while, or after a long while.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <random>

#include "hotmic/error.hpp"
#include "hotmic/lifecycle_options.hpp"
#include "hotmic/state.hpp"

namespace hotmic {

/// A policy, not an actor: it is told what happened and when, and answers. It knows no clock, so tests give it any.
///
/// Before a model has been READY its failures are a matter of configuration or machine: `max_attempts` in a row, then a
/// pause. A model that died while READY is brought back for as long as it takes; a crash loop makes a pause, too. The
/// first attempt after a death follows at once, for most deaths are single.
///
/// A pause lasts as long as the crash loop's window, the next one twice as long, up to `kLongestPause` times. After it
/// there is one attempt: what was the matter may have passed. A model that then dies or fails again before it has been
/// READY for a whole window is in for the next pause.
class Recovery {
public:
    Recovery(RetryPolicy retry, SuperviseOptions supervise, std::uint64_t seed);

    static constexpr double kLongestPause = 8;

    struct Verdict {
        std::optional<Clock::duration> wait{};  ///< until the next attempt; none: it stays in ERROR
        bool crash_loop = false;
        bool pause = false;  ///< that wait is long, and nobody need stay for its end
    };
    /// A READY model died at `now`. `excused`: by a request's fault, so it is no sign of a crash loop.
    [[nodiscard]] Verdict after_death(Clock::time_point now, bool excused = false);
    /// An attempt to make the model ready failed at `now`.
    [[nodiscard]] Verdict after_failure(const Error& error, Clock::time_point now);

    /// The death noted at that time turns out to be a request's fault.
    void excuse(Clock::time_point death) noexcept;
    /// Somebody asks for the model: failures are counted anew.
    void begin_series() noexcept;
    /// The model is READY. Its deaths are remembered for as long as they are within the window.
    void succeeded(Clock::time_point now) noexcept;
    /// An operator's word, or a changed file: nothing is held against the model any more.
    void forgive() noexcept;

    /// Attempts that failed since the series began.
    [[nodiscard]] int failures() const noexcept { return failures_; }
    /// Deaths within the window that ends at `now`, without those that requests are to blame for.
    [[nodiscard]] int deaths(Clock::time_point now) const;

private:
    struct Death {
        Clock::time_point at;
        bool excused = false;
    };
    [[nodiscard]] bool is_crash_loop(Clock::time_point now) const;
    [[nodiscard]] bool on_probation(Clock::time_point now) const;
    void note_death(Clock::time_point now, bool excused);
    [[nodiscard]] Verdict pause(bool crash_loop);
    [[nodiscard]] Clock::duration backoff(int step);
    [[nodiscard]] Clock::duration jittered(double ms);

    const RetryPolicy retry_;
    const SuperviseOptions supervise_;
    std::mt19937_64 random_;
    std::deque<Death> deaths_;
    int failures_ = 0;
    int pauses_ = 0;           // in a row
    bool recovering_ = false;  // it has been READY, and died
    std::optional<Clock::time_point> ready_since_{};
};

}  // namespace hotmic
