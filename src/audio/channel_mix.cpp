#include "audio/channel_mix.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <span>
#include <vector>

namespace hotmic::audio {
namespace {

constexpr double kMemory = 0.5;  // seconds
/// Correlation below which channels are opposites, and above which they no longer are. Of two people each on a channel
/// of its own it is about 0.
constexpr double kOpposed = -0.8;
constexpr double kNoLonger = -0.4;
/// As libav mixes: of two that are unlike, the power is kept.
constexpr float kShare = 1 / std::numbers::sqrt2_v<float>;
/// Mean square that is worth being judged by: -80 dBFS.
constexpr double kAudible = 1e-8;

}  // namespace

void StereoMix::judge(std::span<const float> left, std::span<const float> right) {
    const double fading = std::exp(-static_cast<double>(left.size()) / (kMemory * rate_));
    product_ *= fading;
    of_left_ *= fading;
    of_right_ *= fading;
    for (std::size_t i = 0; i < left.size(); ++i) {
        const double l = left[i];
        const double r = right[i];
        product_ += l * r;
        of_left_ += l * l;
        of_right_ += r * r;
    }
    if (std::min(of_left_, of_right_) < kAudible * static_cast<double>(left.size())) return;
    const double correlation = product_ / std::sqrt(of_left_ * of_right_);
    if (correlation < kOpposed) opposed_ = true;
    if (correlation > kNoLonger) opposed_ = false;
}

void StereoMix::add(std::span<const float> left, std::span<const float> right, std::vector<float>& out) {
    judge(left, right);
    const float sign = opposed_ ? -1.0F : 1.0F;
    const auto before = out.size();
    out.resize(before + left.size());
    for (std::size_t i = 0; i < left.size(); ++i) out[before + i] = (left[i] + sign * right[i]) * kShare;
}

}  // namespace hotmic::audio
