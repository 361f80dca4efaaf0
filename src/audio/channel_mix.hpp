/// Two channels as one.
#pragma once

#include <span>
#include <vector>

namespace hotmic::audio {

/// Both together, unless they are each other's opposites: recorded through a cable that is wired wrong, for one, their
/// sum is silence, though each by itself is heard well. Then the second is turned over. Whether it is so is decided
/// again and again by how alike both were in the last half second.
class StereoMix {
public:
    explicit StereoMix(int rate) : rate_(rate) {}

    /// Appends the mix of what follows the last call's. `left` and `right` have the same length.
    void add(std::span<const float> left, std::span<const float> right, std::vector<float>& out);

private:
    void judge(std::span<const float> left, std::span<const float> right);

    int rate_;
    double product_ = 0;  // all of these fade
    double of_left_ = 0;
    double of_right_ = 0;
    bool opposed_ = false;
};

}  // namespace hotmic::audio
