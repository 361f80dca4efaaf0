#include "speech/webrtc_detector.hpp"

#include <pocketsphinx.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "hotmic/audio.hpp"
#include "hotmic/units.hpp"
#include "hotmic/voice.hpp"

namespace hotmic {
namespace {

struct VadDeleter {
    void operator()(ps_vad_t* vad) const { ps_vad_free(vad); }
};
using VadPtr = std::unique_ptr<ps_vad_t, VadDeleter>;

/// Samples that follow each other are alike in a voice and unrelated in white noise, which the engine's detector takes
/// for a voice where it is loud. Hissing consonants look like noise too, but stand beside vowels.
constexpr double kLeastLikeness = 0.25;

/// Autocorrelation at a lag of one sample, from -1 to 1; 0 for silence.
double likeness_of_neighbours(AudioView frame) {
    double energy = 0;
    double product = 0;
    for (std::size_t i = 0; i + 1 < frame.size(); ++i) {
        energy += static_cast<double>(frame[i]) * static_cast<double>(frame[i]);
        product += static_cast<double>(frame[i]) * static_cast<double>(frame[i + 1]);
    }
    return energy > 0 ? product / energy : 0;
}

class WebRtcDetector final : public VoiceDetector {
public:
    explicit WebRtcDetector(VadPtr vad) : vad_(std::move(vad)) {}

    bool hears_voice(AudioView frame) override {
        std::array<std::int16_t, kFrameSamples> pcm{};
        std::ranges::transform(frame.first(kFrameSamples), pcm.begin(), [](float sample) {
            return static_cast<std::int16_t>(std::lround(std::clamp(sample, -1.0F, 1.0F) * 32767));
        });
        // It learns the background from every frame, so it is asked about each.
        const bool heard = ps_vad_classify(vad_.get(), pcm.data()) == PS_VAD_SPEECH;
        return heard && likeness_of_neighbours(frame) > kLeastLikeness;
    }

private:
    VadPtr vad_;
};

}  // namespace

std::unique_ptr<VoiceDetector> make_webrtc_detector(double threshold) {
    constexpr int kSteps = 4;
    const auto mode = static_cast<ps_vad_mode_t>(
        std::clamp(static_cast<int>(threshold * kSteps), 0, static_cast<int>(PS_VAD_STRICT)));
    VadPtr vad(ps_vad_init(mode, kSampleRate, to_s(VoiceDetector::kFrame)));
    if (!vad || ps_vad_frame_size(vad.get()) != VoiceDetector::kFrameSamples) return nullptr;
    return std::make_unique<WebRtcDetector>(std::move(vad));
}

}  // namespace hotmic
