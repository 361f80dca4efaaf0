/// What an engine wrote that nobody said.
#pragma once

#include <string>
#include <string_view>

#include "hotmic/transcript.hpp"

namespace hotmic {

/// The text without what Whisper and its like write of sounds: everything in square brackets ("[BLANK_AUDIO]",
/// "[Music]"), notes, and what is nothing but a remark in parentheses or asterisks ("(upbeat music)", "* Musik *").
/// Spaces around what is left out become one.
[[nodiscard]] std::string without_sounds(std::string_view text);

/// Takes sounds out of a segment, with the words they consist of, unless `audio_events` are wanted. False for a segment
/// of which nothing is left that was said, or which the engine itself takes for no speech.
[[nodiscard]] bool keep_speech(Segment& segment, bool audio_events = false);

}  // namespace hotmic
