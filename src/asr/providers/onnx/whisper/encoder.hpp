/// Whisper's encoder as a session: features in, and out come the keys and values that the decoder looks at.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "asr/providers/onnx/half_kernels.hpp"
#include "asr/providers/onnx/lazy_buffer.hpp"
#include "asr/providers/onnx/runtime.hpp"
#include "asr/providers/onnx/whisper/weights.hpp"

namespace hotmic::onnx {

/// One window of audio as the decoder sees it. One a slot, used again for each window; it costs what the longest window
/// so far needed.
class EncodedAudio {
public:
    explicit EncodedAudio(const Dimensions& dimensions);

    [[nodiscard]] int frames() const noexcept { return frames_; }  ///< of 20 ms
    [[nodiscard]] int width() const noexcept { return width_; }
    /// For one layer of the decoder: frames × 2 width numbers, the keys of a frame and then its values.
    [[nodiscard]] Half* layer(int index) const noexcept {
        return static_cast<Half*>(layers_[static_cast<std::size_t>(index)].data());
    }
    /// That as a tensor over this memory.
    [[nodiscard]] Ort::Value tensor(int index) const;
    void resize(int frames) noexcept { frames_ = frames; }

private:
    int width_;
    int frames_ = 0;
    std::vector<LazyBuffer> layers_;
};

/// Any number of threads may encode at once.
class Encoder {
public:
    /// Takes the encoder's tensors and the decoder's cross-attention matrices out of `weights`. Throws.
    Encoder(WhisperWeights& weights, int threads);

    /// `features`: mels × frames of 10 ms, an even number of them, at most 3000. Throws, also when cancelled.
    void encode(std::vector<float>& features, EncodedAudio& into, const CancellableRun& run) const;

private:
    int mels_;
    int width_;
    std::vector<float> positions_;
    std::vector<std::string> outputs_;
    mutable Ort::Session session_{nullptr};
};

}  // namespace hotmic::onnx
