#include "speech/level.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "hotmic/audio.hpp"
#include "hotmic/units.hpp"

namespace hotmic {
namespace {

constexpr double kTarget = 1e-2;        // mean square: -20 dBFS
constexpr double kMostGain = 100;       // 40 dB
constexpr double kFadePerSecond = 0.2;  // 7 dB
constexpr double kSilent = 6.3e-8;      // mean square: -72 dBFS

double mean_square(AudioView audio) {
    double energy = 0;
    for (const float sample : audio) energy += static_cast<double>(sample) * static_cast<double>(sample);
    return audio.empty() ? 0 : energy / static_cast<double>(audio.size());
}

}  // namespace

AudioView Leveller::level(AudioView frame) {
    const double now = mean_square(frame);
    silent_ = now < kSilent;
    loudness_ = std::max(now, loudness_ * std::pow(kFadePerSecond, seconds_of(frame.size()).count()));
    const double gain = std::clamp(std::sqrt(kTarget / std::max(loudness_, 1e-12)), 1.0, kMostGain);
    levelled_.resize(frame.size());
    std::ranges::transform(frame, levelled_.begin(),
                           [gain](float sample) { return std::clamp(static_cast<float>(sample * gain), -1.0F, 1.0F); });
    return levelled_;
}

bool is_silent(AudioView audio) noexcept {
    constexpr std::size_t kPiece = kSampleRate * 30 / 1000;
    for (; !audio.empty(); audio = audio.subspan(std::min(kPiece, audio.size()))) {
        if (mean_square(audio.first(std::min(kPiece, audio.size()))) >= kSilent) return false;
    }
    return true;
}

}  // namespace hotmic
