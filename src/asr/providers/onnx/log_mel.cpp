#include "asr/providers/onnx/log_mel.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <span>
#include <vector>

#include "hotmic/audio.hpp"
#include "hotmic/units.hpp"

namespace hotmic::onnx {
namespace {

constexpr std::size_t kPadding = kMelWindow / 2;  // a frame's middle is at its time
constexpr float kLeastPower = 1e-10F;
constexpr float kRange = 8;  // below the loudest, in powers of ten

// Slaney's mel scale: linear below 1000 Hz, logarithmic above.
constexpr double kLinear = 200.0 / 3;
constexpr double kBend = 1000 / kLinear;
const double kStep = std::log(6.4) / 27;

double slaney_mel_of(double hertz) {
    return hertz < 1000 ? hertz / kLinear : kBend + std::log(hertz / 1000) / kStep;
}
double hertz_of(double mel) {
    return mel < kBend ? mel * kLinear : 1000 * std::exp(kStep * (mel - kBend));
}

}  // namespace

std::vector<float> slaney_filters(std::size_t mels, std::size_t window) {
    constexpr double kHighest = kSampleRate / 2.0;
    std::vector<double> corners(mels + 2);
    const double top = slaney_mel_of(kHighest);
    for (std::size_t i = 0; i < corners.size(); ++i)
        corners[i] = hertz_of(top * static_cast<double>(i) / static_cast<double>(mels + 1));
    const std::size_t bins = window / 2 + 1;
    std::vector<float> filters(mels * bins);
    for (std::size_t row = 0; row < mels; ++row) {
        const double area = 2 / (corners[row + 2] - corners[row]);
        for (std::size_t bin = 0; bin < bins; ++bin) {
            const double hertz = static_cast<double>(bin) * kSampleRate / static_cast<double>(window);
            const double rising = (hertz - corners[row]) / (corners[row + 1] - corners[row]);
            const double falling = (corners[row + 2] - hertz) / (corners[row + 2] - corners[row + 1]);
            filters[row * bins + bin] = static_cast<float>(std::max(0.0, std::min(rising, falling)) * area);
        }
    }
    return filters;
}

LogMel::LogMel(std::span<const float> filters)
    : filters_(filters, kMelBins), window_(kMelWindow), spectrum_(kMelWindow) {
    for (std::size_t i = 0; i < kMelWindow; ++i) {
        window_[i] =
            static_cast<float>(0.5 - 0.5 * std::cos(2 * std::numbers::pi * static_cast<double>(i) / kMelWindow));
    }
}

/// The power spectrum of one frame. Before the beginning the audio is mirrored, after its end there is silence.
std::span<const float> LogMel::power_of(AudioView audio, std::size_t frame) {
    const auto samples = spectrum_.frame();
    for (std::size_t i = 0; i < kMelWindow; ++i) {
        const auto at = static_cast<std::ptrdiff_t>(frame * kMelHop + i) - static_cast<std::ptrdiff_t>(kPadding);
        const auto index = static_cast<std::size_t>(std::abs(at));
        samples[i] = index < audio.size() ? audio[index] * window_[i] : 0;
    }
    return spectrum_.power();
}

std::vector<float> LogMel::features(AudioView audio, std::size_t frames) {
    std::vector<float> made(filters_.size() * frames, std::log10(kLeastPower));
    const auto sounding = std::min(frames, (audio.size() + kPadding) / kMelHop + 1);
    for (std::size_t frame = 0; frame < sounding; ++frame) {
        const auto power = power_of(audio, frame);
        for (std::size_t row = 0; row < filters_.size(); ++row)
            made[row * frames + frame] = std::log10(std::max(filters_.sum(row, power), kLeastPower));
    }
    const float least = std::ranges::max(made) - kRange;
    for (auto& value : made) value = (std::max(value, least) + 4) / 4;
    return made;
}

}  // namespace hotmic::onnx
