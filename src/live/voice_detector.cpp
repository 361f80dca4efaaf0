#include "live/voice_detector.hpp"

#include <pocketsphinx.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace hotmic {
namespace {

struct VadDeleter {
    void operator()(ps_vad_t* vad) const { ps_vad_free(vad); }
};
using VadPtr = std::unique_ptr<ps_vad_t, VadDeleter>;

class WebRtcDetector final : public VoiceDetector {
public:
    explicit WebRtcDetector(VadPtr vad) : vad_(std::move(vad)) {}

    bool hears_voice(AudioView frame) override {
        std::array<std::int16_t, kFrameSamples> pcm{};
        std::ranges::transform(frame.first(kFrameSamples), pcm.begin(), [](float sample) {
            return static_cast<std::int16_t>(std::lround(std::clamp(sample, -1.0F, 1.0F) * 32767));
        });
        return ps_vad_classify(vad_.get(), pcm.data()) == PS_VAD_SPEECH;
    }

private:
    VadPtr vad_;
};

}  // namespace

std::unique_ptr<VoiceDetector> make_webrtc_detector(double threshold) {
    constexpr int kSteps = 4;
    const auto mode = static_cast<ps_vad_mode_t>(
        std::clamp(static_cast<int>(threshold * kSteps), 0, static_cast<int>(PS_VAD_STRICT)));
    VadPtr vad(ps_vad_init(mode, kSampleRate, std::chrono::duration<double>(VoiceDetector::kFrame).count()));
    if (!vad || ps_vad_frame_size(vad.get()) != VoiceDetector::kFrameSamples) return nullptr;
    return std::make_unique<WebRtcDetector>(std::move(vad));
}

}  // namespace hotmic
