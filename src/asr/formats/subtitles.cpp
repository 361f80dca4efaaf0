#include "asr/formats/subtitles.hpp"

#include <algorithm>
#include <cmath>
#include <format>
#include <string>
#include <vector>

#include "asr/cues.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic {

std::vector<Cue> formats::cues_by_start(const Transcript& transcript, const CueLimits& limits) {
    std::vector<Cue> cues;
    for (const auto& segment : transcript.segments) cues.append_range(cues_of(segment, limits));
    std::ranges::stable_sort(cues, {}, &Cue::start);
    return cues;
}

std::string formats::timestamp(Seconds time, char separator) {
    const auto ms = std::llround(std::max(0.0, to_ms(time)));
    return std::format("{:02}:{:02}:{:02}{}{:03}", ms / 3'600'000, ms / 60'000 % 60, ms / 1000 % 60, separator,
                       ms % 1000);
}

}  // namespace hotmic
