#include <format>
#include <string>

#include "asr/formats.hpp"
#include "asr/formats/renderers.hpp"
#include "asr/formats/subtitles.hpp"
#include "hotmic/transcript.hpp"

namespace hotmic {

/// SubRip: numbered cues.
std::string formats::srt(const Transcript& transcript, const RenderOptions& options) {
    std::string out;
    int number = 0;
    for (const auto& cue : cues_by_start(transcript, options.cues)) {
        out += std::format("{}\n{} --> {}\n", ++number, timestamp(cue.start, ','), timestamp(cue.end, ','));
        for (const auto& line : cue.lines) out += line + '\n';
        out += '\n';
    }
    return out;
}

}  // namespace hotmic
