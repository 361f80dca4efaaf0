/// Decoded frames of any rate, layout and sample format, as 16 kHz mono float: all channels mixed, or one of them.
#pragma once

#include <optional>
#include <vector>

#include "audio/channel_mix.hpp"
#include "audio/libav.hpp"
#include "hotmic/error.hpp"
#include "hotmic/units.hpp"

namespace hotmic::audio {

/// Keeps some samples back, as every filter does, until `flush`.
class Resampler {
public:
    /// `channel`: from 0; none mixes all.
    explicit Resampler(std::optional<int> channel = {}) : channel_(channel) {}

    /// Appends the frame to `out`, resampled and mixed. Formats may change from frame to frame.
    /// Errors: audio_undecodable, where a rate or a layout cannot be converted; invalid_request, where there is no such
    /// channel.
    [[nodiscard]] Result<void> add(const AVFrame& frame, std::vector<float>& out);
    /// Appends what is kept back.
    [[nodiscard]] Result<void> flush(std::vector<float>& out);

private:
    [[nodiscard]] Result<void> convert(const AVFrame* frame, std::vector<float>& out);
    [[nodiscard]] Result<void> set_up(const AVFrame& frame);
    [[nodiscard]] bool fits(const AVFrame& frame) const;

    const std::optional<int> channel_;
    LibavPtr<SwrContext> context_;
    StereoMix mix_{kSampleRate};
    std::vector<std::vector<float>> planes_;  ///< one where libav mixes; else one a channel
    int rate_ = 0;
    int format_ = -1;
    int channels_ = 0;
};

}  // namespace hotmic::audio
