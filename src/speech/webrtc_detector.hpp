/// The voice detector that needs no model.
#pragma once

#include <memory>

#include "hotmic/voice.hpp"

namespace hotmic {

/// The Gaussian mixture detector of WebRTC, as it ships with PocketSphinx, and a check that it is no white noise, which
/// that one takes for a voice. `threshold`: 0 (takes much for a voice) to 1
/// (only what surely is one); the detector knows four steps. Null when there is no memory for one.
[[nodiscard]] std::unique_ptr<VoiceDetector> make_webrtc_detector(double threshold);

}  // namespace hotmic
