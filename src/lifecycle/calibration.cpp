#include "lifecycle/calibration.hpp"

#include <algorithm>
#include <cmath>

namespace hotmic {

void Calibration::note(double seconds, double ms) {
    // Lengths in steps of a tenth, so that a model that is calibrated by its users' requests remembers few of them.
    auto& slowest = slowest_ms_[std::ceil(seconds * 10) / 10];
    slowest = std::max(slowest, ms);
}

double Calibration::expected_ms(double seconds) const {
    if (slowest_ms_.empty()) return 0;
    double slowest = 0;
    for (const auto& [length, ms] : slowest_ms_) {  // shorter audio that took longer says so of longer, too
        slowest = std::max(slowest, ms);
        if (length >= seconds) return slowest;
    }
    const auto longest = slowest_ms_.rbegin()->first;
    return longest > 0 ? slowest * seconds / longest : slowest;
}

}  // namespace hotmic
