/// Power spectra of short frames, and sums over them: what every kind of features here begins with.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

struct kiss_fftr_state;

namespace hotmic::onnx {

/// One thread at a time.
class PowerSpectrum {
public:
    /// `size`: samples of a frame, even.
    explicit PowerSpectrum(std::size_t size);
    ~PowerSpectrum();
    PowerSpectrum(const PowerSpectrum&) = delete;
    PowerSpectrum& operator=(const PowerSpectrum&) = delete;

    /// To be filled with a frame's samples.
    [[nodiscard]] std::span<float> frame() noexcept { return samples_; }
    /// The power of each of size ÷ 2 + 1 frequencies of what is in `frame`; valid until the next call.
    [[nodiscard]] std::span<const float> power();

private:
    struct Free {
        void operator()(kiss_fftr_state* state) const;
    };
    std::unique_ptr<kiss_fftr_state, Free> fft_;
    std::vector<float> samples_;
    std::vector<float> spectrum_;  // real and imaginary parts in turn
    std::vector<float> power_;
};

/// Weighted sums over a spectrum, one a filter. Weights that are zero cost nothing.
class FilterBank {
public:
    /// `filters`: row by row, each with a weight for each of `bins` frequencies.
    FilterBank(std::span<const float> filters, std::size_t bins);

    [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }
    [[nodiscard]] float sum(std::size_t filter, std::span<const float> power) const {
        float sum = 0;
        const auto& [first, weights] = rows_[filter];
        for (std::size_t i = 0; i < weights.size(); ++i) sum += weights[i] * power[first + i];
        return sum;
    }

private:
    struct Row {
        std::size_t first;           // bin
        std::vector<float> weights;  // from there on
    };
    std::vector<Row> rows_;
};

}  // namespace hotmic::onnx
