#include <format>
#include <string>
#include <string_view>

#include "asr/formats.hpp"
#include "asr/formats/renderers.hpp"
#include "asr/formats/subtitles.hpp"
#include "hotmic/transcript.hpp"

namespace hotmic {
namespace {

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

}  // namespace

/// WebVTT (https://www.w3.org/TR/webvtt1/), whose text is markup.
std::string formats::vtt(const Transcript& transcript, const RenderOptions& options) {
    std::string out = "WEBVTT\n\n";
    for (const auto& cue : cues_by_start(transcript, options.cues)) {
        out += std::format("{} --> {}\n", timestamp(cue.start, '.'), timestamp(cue.end, '.'));
        for (const auto& line : cue.lines) out += escaped(line) + '\n';
        out += '\n';
    }
    return out;
}

}  // namespace hotmic
