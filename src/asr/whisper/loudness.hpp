/// Where a window of audio is quiet: the edges of words and segments next to a pause are those of the sound.
#pragma once

#include <cstddef>
#include <vector>

#include "hotmic/audio.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic::whisper {

class Loudness {
public:
    explicit Loudness(AudioView audio);

    /// The first moment of sound from `from` on; `to` where there is none before. Seconds.
    [[nodiscard]] Seconds sound_begins(Seconds from, Seconds to) const;
    /// The last moment of sound before `to`; `from` where there is none after.
    [[nodiscard]] Seconds sound_ends(Seconds from, Seconds to) const;

private:
    [[nodiscard]] bool quiet(std::size_t frame) const { return levels_[frame] < threshold_; }
    [[nodiscard]] std::size_t frame_of(Seconds time) const;

    std::vector<float> levels_;  // root mean square of each 10 ms
    float threshold_ = 0;
};

/// Moves the edges of a segment's words to those of the sound, times from the beginning of the window: none
/// begins before `earliest` or ends behind `length`, none is without length, and each ends before the next begins.
/// Returns where the last one ends; `earliest` where there is none.
Seconds settle_words(std::vector<Word>& words, const Loudness& loudness, Seconds earliest, Seconds length);

/// Moves the edges of a segment to its words', or to those of the sound in it where it has none.
void settle_segment(Segment& segment, const Loudness& loudness);

}  // namespace hotmic::whisper
