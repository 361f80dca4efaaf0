#include "asr/transcript_events.hpp"

#include <string>

#include "asr/openai_wire.hpp"
#include "hotmic/transcript.hpp"
#include "text/json.hpp"
#include "text/trimmed.hpp"
#include "text/utf8.hpp"

namespace hotmic {
namespace wire {

struct Delta {
    std::string type = "transcript.text.delta";
    std::string delta;
    Logprobs logprobs;
};

struct Done {
    std::string type = "transcript.text.done";
    std::string text;
    Logprobs logprobs;
    Usage usage;
};

}  // namespace wire

std::string TranscriptEvents::delta(const Segment& segment) {
    const auto text = valid_utf8(trimmed(segment.text));
    if (text.empty()) return {};
    // Engines that space their words begin a segment with a space, or leave it to whoever joins segments; those of
    // scripts without spaces have none.
    const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
    const bool spaced = last_ != 0 && (segment.text.starts_with(' ') || (is_ascii(last_) && is_ascii(text.front())));
    wire::Delta event{.delta = (spaced ? " " : "") + text, .logprobs = {}};
    if (logprobs_) event.logprobs = wire::logprobs_of(event.delta, segment.words);
    last_ = text.back();
    return to_json(event);
}

std::string TranscriptEvents::done(const Transcript& transcript) const {
    wire::Done event{.text = wire::text_of(transcript), .logprobs = {}, .usage = wire::usage_of(transcript)};
    if (logprobs_) event.logprobs = wire::logprobs_of(transcript);
    return to_json(event);
}

}  // namespace hotmic
