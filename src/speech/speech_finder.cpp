#include "speech/speech_finder.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "hotmic/voice.hpp"
#include "speech/webrtc_detector.hpp"

namespace hotmic {
namespace {

std::size_t frames_in(std::chrono::milliseconds time) {
    return static_cast<std::size_t>(std::max<std::int64_t>(1, time / VoiceDetector::kFrame));
}

}  // namespace

Result<SpeechFinder> SpeechFinder::open(const Endpointing& endpointing) {
    if (endpointing.vad_model) {
        auto detector = endpointing.vad_model->make_detector(endpointing.threshold);
        if (!detector) return std::unexpected(std::move(detector).error());
        return SpeechFinder(endpointing, *std::move(detector));
    }
    auto detector = make_webrtc_detector(endpointing.threshold);
    if (!detector) return fail(ErrorCode::internal, "the voice detector could not be made");
    return SpeechFinder(endpointing, std::move(detector));
}

SpeechFinder::SpeechFinder(const Endpointing& endpointing, std::unique_ptr<VoiceDetector> detector)
    : prefix_(samples_in(endpointing.prefix)),
      detector_(std::move(detector)),
      endpointer_(frames_in(endpointing.silence)) {}

SpeechFinder::Edge SpeechFinder::take(AudioView frame) {
    // It is asked about silence, too: it knows what comes after it by what came before.
    const bool heard = detector_->hears_voice(leveller_.level(frame));
    const bool voice = heard && !leveller_.silent();
    const auto change = endpointer_.take(voice);
    if (change == Endpointer::Change::started) {
        const auto first = endpointer_.started_at() * VoiceDetector::kFrameSamples;
        return {change, first - std::min(first, prefix_), voice};
    }
    return {change, endpointer_.voice_until() * VoiceDetector::kFrameSamples + prefix_, voice};
}

}  // namespace hotmic
