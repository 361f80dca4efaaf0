/// Subtitles: the text of a segment as cues that fit on a screen.
#pragma once

#include <string>
#include <vector>

#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic {

/// What fits. Subtitles for people have at most two lines of about 42 columns.
struct CueLimits {
    int max_line_width = 42;  ///< columns, of which a full-width character takes two; 0: one cue, however long
    int max_line_count = 2;   ///< lines of a cue, at least 1

    friend bool operator==(const CueLimits&, const CueLimits&) = default;
};

struct Cue {
    Seconds start{};
    Seconds end{};                     ///< after the start
    std::vector<std::string> lines{};  ///< valid UTF-8, none empty
};

/// A segment as cues, in order and without overlap; none where it has no text. Lines are broken where Unicode's rules
/// allow it (UAX #14): between words, and between the characters of scripts without spaces; only a word that is longer
/// than a line is broken within, never within a character as people see it (UAX #29). Lines are as even as they can be
/// without becoming more. A cue has the time of its words where the segment has them, else its share of the segment.
[[nodiscard]] std::vector<Cue> cues_of(const Segment& segment, const CueLimits& limits);

}  // namespace hotmic
