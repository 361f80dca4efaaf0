/// Speech that ships with hotmic, for warming up and for trying a server out.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "hotmic/audio.hpp"

namespace hotmic::audio {

/// A recording whose text is known.
struct Clip {
    std::shared_ptr<const std::vector<std::byte>> encoded;  ///< FLAC, 16 kHz, mono
    std::string_view text{};
    std::string_view language{};  ///< ISO code
    double seconds = 0;
};

/// The clip in src/audio/clip, compiled in. Made by the script beside it with a speech synthesizer.
[[nodiscard]] const Clip& builtin_clip();

/// The clip's speech, repeated with short pauses or cut, to be `seconds` long. Never silence for long: silence warms
/// nothing.
[[nodiscard]] Result<std::vector<float>> clip_of_length(double seconds);

/// Samples as a 16-bit WAV file in memory, so that audio made here takes the same way in as audio received.
[[nodiscard]] std::shared_ptr<const std::vector<std::byte>> encode_wav(AudioView samples);

}  // namespace hotmic::audio
