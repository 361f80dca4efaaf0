/// A transcript on its way out: the events of OpenAI's streamed transcription, as JSON.
/// https://platform.openai.com/docs/api-reference/audio/transcript-text-delta-event
#pragma once

#include <string>

#include "hotmic/transcript.hpp"

namespace hotmic {

class TranscriptEvents {
public:
    /// `logprobs`: the log-probabilities of words, which the segments then must have.
    explicit TranscriptEvents(bool logprobs) : logprobs_(logprobs) {}

    /// transcript.text.delta: what this segment adds. Empty for a segment without text.
    [[nodiscard]] std::string delta(const Segment& segment);
    /// transcript.text.done: the whole.
    [[nodiscard]] std::string done(const Transcript& transcript) const;

private:
    const bool logprobs_;
    char last_ = 0;  // character that was told
};

}  // namespace hotmic
