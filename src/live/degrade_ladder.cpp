#include "live/degrade_ladder.hpp"

#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <string_view>

#include "hotmic/state.hpp"
#include "hotmic/units.hpp"

namespace hotmic {
namespace {

/// Lateness above which a level is left upwards.
constexpr std::array kUp{Seconds(0.4), Seconds(1.2), Seconds(3.0)};
/// A level is left downwards below this part of what led to it …
constexpr double kDown = 0.5;
/// … once it has lasted so long.
constexpr std::chrono::seconds kLeast{5};
/// Over which lateness is averaged.
constexpr Seconds kMemory(5);

}  // namespace

std::string_view to_string(DegradeLevel level) noexcept {
    static constexpr std::array<std::string_view, 4> kNames{"normal", "fewer_partials", "no_partials", "late_finals"};
    return kNames[static_cast<std::size_t>(level)];
}

Seconds threshold(DegradeLevel level) noexcept {
    return level == DegradeLevel::normal ? Seconds{} : kUp[static_cast<std::size_t>(level) - 1];
}

void DegradeLadder::observe(Clock::time_point now, Seconds late) {
    const auto elapsed = observed_ == Clock::time_point{} ? Seconds{} : Seconds(now - observed_);
    observed_ = now;
    // Many observations at one moment weigh no more than one.
    const double weight = 1 - std::exp(-(elapsed + Seconds(0.1)) / kMemory);
    lateness_ += weight * (late - lateness_);

    auto step = static_cast<std::size_t>(level_);
    if (step < kUp.size() && lateness_ > kUp[step]) {
        while (step < kUp.size() && lateness_ > kUp[step]) ++step;
    } else if (step > 0 && lateness_ < kUp[step - 1] * kDown && now - since_ >= kLeast) {
        --step;
    } else {
        return;
    }
    level_ = static_cast<DegradeLevel>(step);
    since_ = now;
}

}  // namespace hotmic
