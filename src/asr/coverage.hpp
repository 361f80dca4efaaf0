/// Whether all that was said in a window is in the segments that an engine gave of it.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "hotmic/transcript.hpp"

namespace hotmic {

/// Samples of a recording, counted from its beginning: `begin` and up to, without, `end`.
struct SampleRange {
    std::size_t begin = 0;
    std::size_t end = 0;
    friend bool operator==(const SampleRange&, const SampleRange&) = default;
};

/// Stretches of speech that no segment covers, each of at least 1.2 s of speech: as long as a short sentence, and
/// longer than engines err about where a word ends. Times of segments and ranges are on one clock.
[[nodiscard]] std::vector<SampleRange> uncovered(std::span<const SampleRange> speech,
                                                 std::span<const Segment> segments);

/// Whether `text` only says again what `before` ends with: then an engine's times ended early, and not its text.
[[nodiscard]] bool is_repetition(std::string_view before, std::string_view text);

/// Moves the edges of a segment that lie in silence to the speech nearest to them within it, and its words with them.
void fit_to_speech(Segment& segment, std::span<const SampleRange> speech);

}  // namespace hotmic
