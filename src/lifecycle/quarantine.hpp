/// Which requests a model died under, so that one that kills it does not do so for ever.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/state.hpp"
#include "system/mutex.hpp"

namespace hotmic {

/// Of one model. A request that an engine was working on at `Request::kMostDeaths` deaths is poison: its like, which is
/// what has the same fingerprint, is refused for a while. One death makes it a suspect: it is tried once more, beside
/// no other suspect, so that the next death shows which of them it was. Holds at most `kMost` fingerprints; knows no
/// clock. Any thread.
class Quarantine {
public:
    explicit Quarantine(std::chrono::milliseconds refusal) : refusal_(refusal) {}

    static constexpr std::size_t kMost = 1024;

    /// A model died at `now` while its engine worked on requests with these fingerprints (0: unknown, not noted;
    /// several alike count as one). Returns when the model died under those before that are poison by now; nothing
    /// where none is.
    std::vector<Clock::time_point> note_death(std::vector<std::uint64_t> fingerprints, Clock::time_point now);

    /// Deaths that are remembered under this fingerprint at `now`.
    [[nodiscard]] int deaths(std::uint64_t fingerprint, Clock::time_point now) const;

    /// How much longer its like is refused; nothing when it is not poison.
    [[nodiscard]] std::optional<Clock::duration> refused_for(std::uint64_t fingerprint, Clock::time_point now) const;

    /// A request with this fingerprint was answered: the deaths had another cause, and are forgotten.
    void acquit(std::uint64_t fingerprint);

    /// Whatever was held against requests is forgotten: the model is another one, or an operator says so.
    void clear();

private:
    struct Entry {
        std::uint64_t fingerprint = 0;
        std::vector<Clock::time_point> deaths;  // never empty
    };
    [[nodiscard]] const Entry* find(std::uint64_t fingerprint, Clock::time_point now) const HOTMIC_REQUIRES(mutex_);

    const std::chrono::milliseconds refusal_;
    mutable Mutex mutex_;
    std::deque<Entry> entries_ HOTMIC_GUARDED_BY(mutex_);  // whose last death is longest ago first
};

/// The error of a request that is poison. `again`: until its like is taken again, where that is known.
[[nodiscard]] Error poison(std::optional<Clock::duration> again = {});

}  // namespace hotmic
