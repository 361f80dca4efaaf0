#include "lifecycle/calibration.hpp"

#include <algorithm>
#include <cmath>
#include "hotmic/units.hpp"

namespace hotmic {

void Calibration::note(Seconds audio, Seconds took) {
    // Lengths in steps of a tenth, so that a model that is calibrated by its users' requests remembers few of them.
    auto& slowest = slowest_[Seconds(std::ceil(audio.count() * 10) / 10)];
    slowest = std::max(slowest, took);
}

Seconds Calibration::expected(Seconds audio) const {
    if (slowest_.empty()) return {};
    Seconds slowest{};
    for (const auto& [length, took] : slowest_) {  // shorter audio that took longer says so of longer, too
        slowest = std::max(slowest, took);
        if (length >= audio) return slowest;
    }
    const auto longest = slowest_.rbegin()->first;
    return longest > Seconds::zero() ? slowest * (audio / longest) : slowest;
}

}  // namespace hotmic
