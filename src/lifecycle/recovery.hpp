/// What follows a failure: another attempt after a while, or the end of trying.
#pragma once

#include <deque>
#include <optional>
#include <random>

#include "hotmic/model_manager.hpp"

namespace hotmic {

/// A policy, not an actor: it is told what happened and when, and answers. It knows no clock, so tests give it any.
///
/// Before a model has been READY its failures are a matter of configuration or machine, and `max_attempts` ends the
/// trying. A model that died while READY is brought back for as long as it takes; only a crash loop ends that. The
/// first attempt after a death follows at once, for most deaths are single.
class Recovery {
public:
    Recovery(RetryPolicy retry, SuperviseOptions supervise, std::uint64_t seed);

    struct Verdict {
        std::optional<Clock::duration> wait{};  ///< until the next attempt; none: it stays in ERROR
        bool crash_loop = false;
    };
    /// A READY model died at `now`.
    [[nodiscard]] Verdict after_death(Clock::time_point now);
    /// An attempt to make the model ready failed at `now`.
    [[nodiscard]] Verdict after_failure(const Error& error, Clock::time_point now);

    /// Somebody asks for the model: failures are counted anew.
    void begin_series() noexcept { failures_ = 0; }
    /// The model is READY. Its deaths are remembered for as long as they are within the window.
    void succeeded() noexcept;
    /// An operator's word, or a changed file: nothing is held against the model any more.
    void forgive() noexcept;

    /// Attempts that failed since the series began.
    [[nodiscard]] int failures() const noexcept { return failures_; }
    /// Deaths within the window that ends at `now`.
    [[nodiscard]] int deaths(Clock::time_point now) const;

private:
    [[nodiscard]] bool note_death(Clock::time_point now);
    [[nodiscard]] Clock::duration backoff(int step);

    const RetryPolicy retry_;
    const SuperviseOptions supervise_;
    std::mt19937_64 random_;
    std::deque<Clock::time_point> deaths_;
    int failures_ = 0;
    bool recovering_ = false;  // it has been READY, and died
};

}  // namespace hotmic
