/// What the formats of subtitles share.
#pragma once

#include <string>
#include <vector>

#include "asr/cues.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic::formats {

/// The cues of all segments by their start; on several channels people talk at once.
[[nodiscard]] std::vector<Cue> cues_by_start(const Transcript& transcript, const CueLimits& limits);

/// 00:01:02,345 with `separator` in the comma's place.
[[nodiscard]] std::string timestamp(Seconds time, char separator);

}  // namespace hotmic::formats
