#include "asr/providers/onnx/spectrum.hpp"

#include <kiss_fftr.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace hotmic::onnx {

void PowerSpectrum::Free::operator()(kiss_fftr_state* state) const {
    kiss_fftr_free(state);
}

PowerSpectrum::PowerSpectrum(std::size_t size)
    : fft_(kiss_fftr_alloc(static_cast<int>(size), 0, nullptr, nullptr)),
      samples_(size),
      spectrum_(2 * (size / 2 + 1)),
      power_(size / 2 + 1) {}

PowerSpectrum::~PowerSpectrum() = default;

std::span<const float> PowerSpectrum::power() {
    auto* const bins = reinterpret_cast<kiss_fft_cpx*>(spectrum_.data());
    kiss_fftr(fft_.get(), samples_.data(), bins);
    for (std::size_t bin = 0; bin < power_.size(); ++bin)
        power_[bin] = bins[bin].r * bins[bin].r + bins[bin].i * bins[bin].i;
    return power_;
}

FilterBank::FilterBank(std::span<const float> filters, std::size_t bins) {
    for (std::size_t at = 0; at + bins <= filters.size(); at += bins) {
        const auto row = filters.subspan(at, bins);
        const auto is_weight = [](float weight) { return weight != 0; };
        const auto first = std::ranges::find_if(row, is_weight);
        const auto last = std::find_if(row.rbegin(), row.rend(), is_weight).base();
        rows_.push_back({static_cast<std::size_t>(first - row.begin()),
                         first < last ? std::vector<float>(first, last) : std::vector<float>{}});
    }
}

}  // namespace hotmic::onnx
