/// Microphones, through miniaudio: PulseAudio and PipeWire, JACK, ALSA and what else it finds on the machine when it
/// runs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"

namespace hotmic::audio {

/// Makes no sound and is always there: for trying what listens without a microphone.
inline constexpr const char* kSilentMicrophone = "null";

/// The names of those that are connected; empty where there is none, or no sound system.
[[nodiscard]] std::vector<std::string> microphones();

/// Begins to record. `name`: one of `microphones`, or a part of it; empty: the system's choice. A read waits until as
/// much has been spoken as it asks for, and ends early only when the microphone is gone. What nobody reads for ten
/// seconds is lost, oldest first, and `damage` says so. Errors: io_error (there is none, or it cannot be used),
/// invalid_request (none of that name).
[[nodiscard]] Result<std::unique_ptr<AudioSource>> open_microphone(const std::string& name = {});

}  // namespace hotmic::audio
