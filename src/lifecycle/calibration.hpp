/// How long inferences take here when all is well, as the warmup saw it: what tells a slow inference from a hang.
#pragma once

#include <map>

#include "hotmic/units.hpp"

namespace hotmic {

/// The slowest inference of each length of audio. A value; not thread-safe.
class Calibration {
public:
    /// An inference of so much audio took so long.
    void note(Seconds audio, Seconds took);

    [[nodiscard]] bool empty() const noexcept { return slowest_.empty(); }

    /// What an inference of so much audio may be expected to take: as long as the slowest seen of the next
    /// longer audio; beyond the longest seen in proportion to its length. 0 when nothing has been seen.
    [[nodiscard]] Seconds expected(Seconds audio) const;

private:
    std::map<Seconds, Seconds> slowest_;  // by length of audio
};

}  // namespace hotmic
