#include "live/degrade_ladder.hpp"

#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <string_view>

#include "hotmic/state.hpp"

namespace hotmic {
namespace {

/// Seconds of lateness above which a level is left upwards.
constexpr std::array<double, 3> kUp{0.4, 1.2, 3.0};
/// A level is left downwards below this part of what led to it …
constexpr double kDown = 0.5;
/// … once it has lasted so long.
constexpr std::chrono::seconds kLeast{5};
/// Seconds over which lateness is averaged.
constexpr double kMemory = 5.0;

}  // namespace

std::string_view to_string(DegradeLevel level) noexcept {
    static constexpr std::array<std::string_view, 4> kNames{"normal", "fewer_partials", "no_partials", "late_finals"};
    return kNames[static_cast<std::size_t>(level)];
}

double threshold(DegradeLevel level) noexcept {
    return level == DegradeLevel::normal ? 0 : kUp[static_cast<std::size_t>(level) - 1];
}

void DegradeLadder::observe(Clock::time_point now, std::chrono::duration<double> late) {
    const double elapsed =
        observed_ == Clock::time_point{} ? 0 : std::chrono::duration<double>(now - observed_).count();
    observed_ = now;
    // Many observations at one moment weigh no more than one.
    const double weight = 1 - std::exp(-(elapsed + 0.1) / kMemory);
    lateness_ += weight * (late.count() - lateness_);

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
