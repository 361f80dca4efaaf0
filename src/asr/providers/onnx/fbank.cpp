#include "asr/providers/onnx/fbank.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <span>
#include <vector>

#include "asr/providers/onnx/log_mel.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/units.hpp"

namespace hotmic::onnx {
namespace {

constexpr std::size_t kFft = 512;  // the window, and zeros behind it
constexpr std::size_t kBins = kFft / 2 + 1;
constexpr double kLowest = 20;
constexpr double kHighest = kSampleRate / 2.0 - 400;
constexpr float kPreemphasis = 0.97F;
/// Samples before the beginning that the first frame has.
constexpr std::size_t kMirrored = (kFbankWindow - kFbankHop) / 2;

double htk_mel_of(double hertz) {
    return 1127 * std::log(1 + hertz / 700);
}

/// Triangles that are even on the mel scale, not on that of frequency. The highest frequency belongs to none.
std::vector<float> kaldi_filters(std::size_t count) {
    const double low = htk_mel_of(kLowest);
    const double step = (htk_mel_of(kHighest) - low) / static_cast<double>(count + 1);
    std::vector<float> filters(count * kBins);
    for (std::size_t row = 0; row < count; ++row) {
        const double left = low + static_cast<double>(row) * step;
        for (std::size_t bin = 0; bin + 1 < kBins; ++bin) {
            const double mel = htk_mel_of(static_cast<double>(bin) * kSampleRate / kFft);
            const double weight = std::min(mel - left, left + 2 * step - mel) / step;
            filters[row * kBins + bin] = static_cast<float>(std::max(0.0, weight));
        }
    }
    return filters;
}

std::vector<float> filters_of(FbankKind kind, std::size_t count) {
    return kind == FbankKind::kaldi ? kaldi_filters(count) : slaney_filters(count, kFft);
}

}  // namespace

Fbank::Fbank(std::size_t bins, FbankKind kind)
    : kind_(kind), filters_(filters_of(kind, bins), kBins), window_(kFbankWindow), spectrum_(kFft) {
    const std::size_t period = kind == FbankKind::kaldi ? kFbankWindow - 1 : kFbankWindow;
    const double exponent = kind == FbankKind::kaldi ? 0.85 : 1;
    for (std::size_t i = 0; i < kFbankWindow; ++i) {
        const double angle = 2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(period);
        window_[i] = static_cast<float>(std::pow(0.5 - 0.5 * std::cos(angle), exponent));
    }
}

void Fbank::frame(AudioView samples, std::span<float> out) {
    const auto frame = spectrum_.frame();
    double sum = 0;
    for (const float sample : samples) sum += sample;
    const float mean = kind_ == FbankKind::kaldi ? static_cast<float>(sum / kFbankWindow) : 0;
    float before = samples[0] - mean;
    for (std::size_t i = 0; i < kFbankWindow; ++i) {
        const float sample = samples[i] - mean;
        frame[i] = (sample - kPreemphasis * before) * window_[i];
        before = sample;
    }
    std::ranges::fill(frame.subspan(kFbankWindow), 0.0F);
    const auto power = spectrum_.power();
    for (std::size_t bin = 0; bin < out.size(); ++bin)
        out[bin] = std::log(std::max(filters_.sum(bin, power), std::numeric_limits<float>::epsilon()));
}

void FbankStream::feed(AudioView audio, Fbank& fbank, std::vector<float>& into) {
    rest_.append_range(audio);
    if (!mirrored_) {
        if (rest_.size() < kMirrored) return;
        std::vector<float> begin(rest_.begin(), rest_.begin() + kMirrored);
        std::ranges::reverse(begin);
        rest_.insert_range(rest_.begin(), begin);
        mirrored_ = true;
    }
    std::size_t at = 0;
    for (; at + kFbankWindow <= rest_.size(); at += kFbankHop) {
        into.resize(into.size() + fbank.bins());
        fbank.frame(std::span(rest_).subspan(at, kFbankWindow), std::span(into).last(fbank.bins()));
    }
    rest_.erase(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(at));
}

}  // namespace hotmic::onnx
