/// Where speech begins and ends in a run of samples.
#pragma once

#include <cstdint>
#include <memory>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "hotmic/voice.hpp"
#include "speech/endpointer.hpp"
#include "speech/level.hpp"

namespace hotmic {

/// A voice detector that hears everything at one level, and an endpointer that looks at what it says. Times are samples
/// from the first frame on.
class SpeechFinder {
public:
    struct Edge {
        Endpointer::Change change = Endpointer::Change::none;
        std::uint64_t at = 0;  ///< with what is heard from before the speech, and as much after it
        bool voice = false;    ///< what the detector says of this frame
    };

    /// Errors: internal, when there is no memory for a detector.
    [[nodiscard]] static Result<SpeechFinder> open(const Endpointing& endpointing);

    /// `frame`: VoiceDetector::kFrameSamples samples, those that follow the last frame's.
    [[nodiscard]] Edge take(AudioView frame);

    /// How many of the last samples may turn out to be where speech began.
    [[nodiscard]] static std::uint64_t history(const Endpointing& endpointing) noexcept {
        return samples_in(endpointing.prefix + Endpointer::kOnsetFrames * VoiceDetector::kFrame);
    }

    /// Ends the speech that is open, because somebody else says so.
    void reset() noexcept { endpointer_.reset(); }

private:
    SpeechFinder(const Endpointing& endpointing, std::unique_ptr<VoiceDetector> detector);

    std::uint64_t prefix_;
    Leveller leveller_;
    std::unique_ptr<VoiceDetector> detector_;
    Endpointer endpointer_;
};

}  // namespace hotmic
