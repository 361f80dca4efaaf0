/// How long inferences take here when all is well, as the warmup saw it: what tells a slow inference from a hang.
#pragma once

#include <map>

namespace hotmic {

/// The slowest inference of each length of audio. A value; not thread-safe.
class Calibration {
public:
    /// An inference of so much audio took so long.
    void note(double seconds, double ms);

    [[nodiscard]] bool empty() const noexcept { return slowest_ms_.empty(); }

    /// What an inference of so much audio may be expected to take, in ms: as long as the slowest seen of the next
    /// longer audio; beyond the longest seen in proportion to its length. 0 when nothing has been seen.
    [[nodiscard]] double expected_ms(double seconds) const;

private:
    std::map<double, double> slowest_ms_;  // by seconds of audio
};

}  // namespace hotmic
