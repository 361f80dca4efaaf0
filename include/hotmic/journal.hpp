/// What happened to models, in order.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "hotmic/state.hpp"

namespace hotmic {

/// One step of one model's life.
struct Transition {
    std::uint64_t sequence = 0;                    ///< 1, 2, 3 … without gaps within a journal
    std::chrono::system_clock::time_point wall{};  ///< for people
    Clock::time_point monotonic{};                 ///< for durations
    std::string model;                             ///< whose life it is
    std::string instance;                          ///< the load this belongs to; the correlation id of its log lines
    ModelState from = ModelState::uninitialized;   ///< the state before
    ModelState to = ModelState::uninitialized;     ///< the state after
    std::string cause;                             ///< in words
    std::chrono::nanoseconds phase{};              ///< how long `from` lasted
};

/// The record of transitions: appended under the manager's lock, read by anybody in order, none lost while it is among
/// the last `capacity`.
class Journal {
public:
    /// Keeps the last `capacity` transitions.
    explicit Journal(std::size_t capacity = 4096);
    ~Journal();

    /// Returns its sequence number.
    std::uint64_t append(Transition transition);
    /// All kept transitions with a sequence number above `after`, oldest first.
    [[nodiscard]] std::vector<Transition> since(std::uint64_t after) const;
    /// The same, but waits until there is at least one, `deadline` passes, or `stop` is requested (then: empty).
    [[nodiscard]] std::vector<Transition> wait_since(std::uint64_t after, Deadline deadline,
                                                     std::stop_token stop = {}) const;
    /// 0: there was none yet.
    [[nodiscard]] std::uint64_t last_sequence() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace hotmic
