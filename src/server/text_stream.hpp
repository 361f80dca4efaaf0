/// A transcription answered while it is recognized.
#pragma once

#include <string>
#include <vector>

#include "asr/transcript_events.hpp"
#include "hotmic/transcript.hpp"
#include "server/event_stream.hpp"
#include "system/mutex.hpp"

namespace hotmic::server {

/// Between the slot that recognizes and the connection that is told. Any thread.
class TextStream {
public:
    /// `logprobs`: the log-probabilities of words, which the segments then must have.
    explicit TextStream(bool logprobs) : events_(logprobs) {}

    /// True for the first segment that has text: from then on the answer is a stream.
    bool add(const Segment& segment);
    void done(const Transcript& transcript);
    /// OpenAI's clients raise what comes as an event with an error in it.
    void fail(const std::string& error_json);

    /// Something has been told.
    [[nodiscard]] bool begun() const;
    /// What is new since the last call; `last` once everything has been said.
    [[nodiscard]] std::vector<ServerEvent> take(bool& last);

private:
    void end(std::string event, std::string data) HOTMIC_REQUIRES(mutex_);

    mutable Mutex mutex_;
    TranscriptEvents events_ HOTMIC_GUARDED_BY(mutex_);
    std::vector<ServerEvent> waiting_ HOTMIC_GUARDED_BY(mutex_);
    bool begun_ HOTMIC_GUARDED_BY(mutex_) = false;
    bool ended_ HOTMIC_GUARDED_BY(mutex_) = false;
};

}  // namespace hotmic::server
