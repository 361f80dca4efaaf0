/// Whether a moment of audio holds a voice.
#pragma once

#include <chrono>
#include <memory>

#include "hotmic/live_stream.hpp"

namespace hotmic {

/// Looks at one frame after the other of one stream. Not thread-safe.
class VoiceDetector {
public:
    static constexpr std::chrono::milliseconds kFrame{30};
    static constexpr std::size_t kFrameSamples = kSampleRate * 30 / 1000;

    virtual ~VoiceDetector() = default;
    /// `frame`: kFrameSamples samples, those that follow the last frame's.
    [[nodiscard]] virtual bool hears_voice(AudioView frame) = 0;
};

/// The Gaussian mixture detector of WebRTC, as it ships with PocketSphinx, and a check that it is no white noise, which
/// that one takes for a voice. `threshold`: 0 (takes much for a voice) to 1
/// (only what surely is one); the detector knows four steps. Null when there is no memory for one.
[[nodiscard]] std::unique_ptr<VoiceDetector> make_webrtc_detector(double threshold);

/// The one that `endpointing` asks for. Errors: internal, when there is no memory for it.
[[nodiscard]] Result<std::unique_ptr<VoiceDetector>> make_voice_detector(const Endpointing& endpointing);

}  // namespace hotmic
