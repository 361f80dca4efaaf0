/// What streams go without when the machine cannot keep up.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "hotmic/state.hpp"
#include "hotmic/units.hpp"

namespace hotmic {

enum class DegradeLevel : std::uint8_t {
    normal,
    fewer_partials,  ///< partial results come a third as often
    no_partials,     ///< only finals
    late_finals,     ///< only finals, and those are behind
};

/// "normal", "fewer_partials", …: the names in APIs, logs and metrics.
[[nodiscard]] std::string_view to_string(DegradeLevel level) noexcept;

/// Lateness from which on a level is taken; 0 for the first. docs/streaming.md has the table.
[[nodiscard]] Seconds threshold(DegradeLevel level) noexcept;

/// Every level, the best first.
inline constexpr std::array kDegradeLevels{DegradeLevel::normal, DegradeLevel::fewer_partials,
                                           DegradeLevel::no_partials, DegradeLevel::late_finals};

/// Steps up as soon as decodes begin too late, steps down one at a time after a while of being in time. Pure: the time
/// is given to it.
class DegradeLadder {
public:
    /// A decode began this long after it was due, or one that is due has waited so long by now.
    void observe(Clock::time_point now, Seconds late);

    [[nodiscard]] DegradeLevel level() const noexcept { return level_; }
    /// Moving mean.
    [[nodiscard]] Seconds lateness() const noexcept { return lateness_; }

private:
    DegradeLevel level_ = DegradeLevel::normal;
    Seconds lateness_{};
    Clock::time_point observed_{};
    Clock::time_point since_{};  // of the level
};

}  // namespace hotmic
