/// Decoded frames of any rate, layout and sample format, as 16 kHz mono float.
#pragma once

#include <vector>

#include "audio/libav.hpp"
#include "hotmic/error.hpp"

namespace hotmic::audio {

/// Keeps some samples back, as every filter does, until `flush`.
class Resampler {
public:
    /// Appends the frame to `out`, resampled and mixed. Formats may change from frame to frame.
    /// Errors: audio_undecodable, where a rate or a layout cannot be converted.
    [[nodiscard]] Result<void> add(const AVFrame& frame, std::vector<float>& out);
    /// Appends what is kept back.
    [[nodiscard]] Result<void> flush(std::vector<float>& out);

private:
    [[nodiscard]] Result<void> convert(const AVFrame* frame, std::vector<float>& out);
    [[nodiscard]] Result<void> set_up(const AVFrame& frame);
    [[nodiscard]] bool fits(const AVFrame& frame) const;

    LibavPtr<SwrContext> context_;
    int rate_ = 0;
    int format_ = -1;
    int channels_ = 0;
};

}  // namespace hotmic::audio
