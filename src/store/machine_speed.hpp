/// How quick this machine is at what a model's engine does most: sums of products of 8-bit integers.
#pragma once

#include <chrono>
#include <string>

#include "hotmic/units.hpp"

namespace hotmic::store {

/// What a thousand million operations of a model take here.
struct MachineSpeed {
    double seconds_per_gflop = 0;
    std::string measured{};  ///< how that was found out, as the end of a sentence
};

/// Long enough for a forecast.
inline constexpr std::chrono::milliseconds kMeasuring{900};

/// Multiplies matrices of 8-bit integers for so long, on all processors that this process may use and with the widest
/// instructions that they have: what they do when nobody else wants them. `gently`: after everything else that does.
[[nodiscard]] MachineSpeed measure_machine(std::chrono::milliseconds how_long, bool gently);

/// By a model that was measured itself: what it `took` for so much audio, of a model that needs so many operations for
/// a second of it.
[[nodiscard]] MachineSpeed speed_of(const std::string& model, double gflop_per_second, Seconds took, Seconds audio);

}  // namespace hotmic::store
