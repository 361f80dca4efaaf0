/// Where a model is in its life, and the clock that its waits are counted by.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace hotmic {

/// Where a model is in its life.
enum class ModelState : std::uint8_t {
    uninitialized,  ///< nothing is loaded and nothing is on its way
    loading,        ///< weights are being read
    warming_up,     ///< weights are resident; warmup inferences run
    ready,          ///< leases can be had
    error,          ///< the last attempt failed, or the model was lost; the cause is kept
    unloading,      ///< leases drain, then everything is given back
};

/// "UNINITIALIZED", "LOADING", …: the names in APIs, logs and metrics.
[[nodiscard]] std::string_view to_string(ModelState state) noexcept;
/// The transition table.
[[nodiscard]] bool is_allowed(ModelState from, ModelState to) noexcept;

/// Of all deadlines.
using Clock = std::chrono::steady_clock;
/// A point in time after which nobody waits any more.
using Deadline = Clock::time_point;
/// The point in time that lies `patience` ahead.
[[nodiscard]] inline Deadline deadline_in(std::chrono::milliseconds patience) {
    return Clock::now() + patience;
}

}  // namespace hotmic
