/// Filter bank features as Kaldi computes them (feature-fbank.cc): 25 ms each 10 ms, preemphasis 0.97, natural
/// logarithm, no dither, snip_edges = false.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "asr/providers/onnx/spectrum.hpp"
#include "hotmic/audio.hpp"

namespace hotmic::onnx {

inline constexpr std::size_t kFbankHop = 160;     ///< samples between two frames: 10 ms
inline constexpr std::size_t kFbankWindow = 400;  ///< samples of a frame: 25 ms

enum class FbankKind : std::uint8_t {
    kaldi,  ///< as k2's models are trained on: povey window, mean removed, triangles on the mel scale, 20 to 7600 Hz
    nemo,   ///< as NeMo's are: Hann's window, Slaney's filters of equal area (slaney_filters), 0 to 8000 Hz
};

/// One thread at a time.
class Fbank {
public:
    explicit Fbank(std::size_t bins, FbankKind kind = FbankKind::kaldi);

    [[nodiscard]] std::size_t bins() const noexcept { return filters_.size(); }
    /// The features of `kFbankWindow` samples into `out`, of `bins()` values.
    void frame(AudioView samples, std::span<float> out);

private:
    const FbankKind kind_;
    FilterBank filters_;
    std::vector<float> window_;
    PowerSpectrum spectrum_;
};

/// The frames of audio that comes piece by piece. Frame n lies around sample 160 n + 80; before its beginning the audio
/// is mirrored. How the audio was parted changes nothing.
class FbankStream {
public:
    /// Samples that it takes to complete the first `frames` frames, at least one.
    [[nodiscard]] static constexpr std::size_t samples_for(std::size_t frames) noexcept {
        return (frames - 1) * kFbankHop + (kFbankWindow + kFbankHop) / 2;
    }
    /// Appends the features of every frame that is complete with `audio` to `into`.
    void feed(AudioView audio, Fbank& fbank, std::vector<float>& into);

private:
    std::vector<float> rest_;  // from the first sample of the next frame on
    bool mirrored_ = false;
};

}  // namespace hotmic::onnx
