/// Whisper's features: the logarithm of a mel spectrogram (openai/whisper, audio.py, log_mel_spectrogram).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "asr/providers/onnx/spectrum.hpp"
#include "hotmic/audio.hpp"

namespace hotmic::onnx {

inline constexpr std::size_t kMelHop = 160;     ///< samples between two frames: 10 ms
inline constexpr std::size_t kMelWindow = 400;  ///< samples of a frame: 25 ms
inline constexpr std::size_t kMelBins = kMelWindow / 2 + 1;

/// Slaney's triangular filters of equal area from 0 to 8000 Hz over the spectrum of `window` samples, row by row
/// (librosa.filters.mel): `mels` × (`window` ÷ 2 + 1).
[[nodiscard]] std::vector<float> slaney_filters(std::size_t mels, std::size_t window = kMelWindow);

/// One thread at a time.
class LogMel {
public:
    /// `filters`: mels × `kMelBins`.
    explicit LogMel(std::span<const float> filters);

    [[nodiscard]] std::size_t mels() const noexcept { return filters_.size(); }

    /// The features of `audio` followed by as much silence as `frames` need: mels × frames, row by row. Audio beyond
    /// the frames is left out.
    [[nodiscard]] std::vector<float> features(AudioView audio, std::size_t frames);

private:
    [[nodiscard]] std::span<const float> power_of(AudioView audio, std::size_t frame);

    FilterBank filters_;
    std::vector<float> window_;
    PowerSpectrum spectrum_;
};

}  // namespace hotmic::onnx
