/// The loudness that a voice detector expects.
#pragma once

#include <vector>

#include "hotmic/audio.hpp"

namespace hotmic {

/// Brings one frame after the other to about the level of speech at -20 dBFS, by the loudest of what was heard last: it
/// follows a louder voice at once and a quieter one within seconds, so that of two people on one line both are found.
/// It makes louder only, and by 40 dB at most. For looking for speech; engines get the audio as it is.
class Leveller {
public:
    /// The frame, levelled. Valid until the next call.
    [[nodiscard]] AudioView level(AudioView frame);

    /// The last frame was as good as digital silence, which nothing was said in: under -72 dBFS.
    [[nodiscard]] bool silent() const noexcept { return silent_; }

private:
    std::vector<float> levelled_;
    double loudness_ = 0;  // mean square, fading
    bool silent_ = true;
};

/// Nothing louder than as good as digital silence is in it.
[[nodiscard]] bool is_silent(AudioView audio) noexcept;

}  // namespace hotmic
