/// Whether a moment of audio holds a voice.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/units.hpp"

namespace hotmic {

/// Looks at one frame after the other of one stream. Not thread-safe.
class VoiceDetector {
public:
    static constexpr std::chrono::milliseconds kFrame{30};                 ///< what the detector looks at, at once
    static constexpr std::size_t kFrameSamples = kSampleRate * 30 / 1000;  ///< the same in samples

    virtual ~VoiceDetector() = default;
    /// `frame`: kFrameSamples samples, those that follow the last frame's.
    [[nodiscard]] virtual bool hears_voice(AudioView frame) = 0;
};

/// A trained voice activity detector (VAD). Thread-safe.
class VadModel {
public:
    virtual ~VadModel() = default;
    /// One for a new stream. `threshold`: probability from which on a frame holds a voice, 0 to 1. Errors: internal.
    [[nodiscard]] virtual Result<std::unique_ptr<VoiceDetector>> make_detector(double threshold) const = 0;
};

/// How speech is told from silence.
struct Endpointing {
    double threshold = 0.5;                          ///< 0 takes much for speech, 1 only what surely is
    std::chrono::milliseconds prefix{300};           ///< heard from before the speech begins
    std::chrono::milliseconds silence{500};          ///< ends an utterance
    std::shared_ptr<const VadModel> vad_model = {};  ///< null: WebRTC's detector, which needs none
    /// An engine whose streams are exact also ends an utterance when it has heard nothing for so long after its last
    /// word, and forgets the beginning of one in which it has heard no word for so long: where the detector takes noise
    /// for a voice.
    std::chrono::milliseconds blank_after_words{1'200};
    std::chrono::milliseconds blank_without_words{2'400};  ///< where nothing was heard yet
};

}  // namespace hotmic
