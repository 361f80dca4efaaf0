/// The one way every request passes through a recognizer, however long its audio.
#pragma once

#include <functional>
#include <stop_token>
#include <vector>

#include "hotmic/provider.hpp"

namespace hotmic {

struct LongAudioOptions {
    double window_seconds = 60;  ///< most audio given to the engine at once
    double search_seconds = 20;  ///< the cut is looked for in this last part of a window
    std::function<void(double seconds_done)> on_progress{};
};

/// The recognition of one source, window by window, so that memory is bounded by one window and the transcript. A
/// window that is not the last ends in its best pause: the quietest 0.2 s of its last `search_seconds`. Times in
/// segments are on the clock of the whole audio. The language detected in the first speech is kept for the rest.
///
/// Between two windows others may use the recognizer, and each window may have another one.
class LongTranscription {
public:
    /// `source` must outlive this.
    LongTranscription(AudioSource& source, TranscribeOptions options, SegmentSink sink, LongAudioOptions limits = {});

    /// Recognizes the next window. True when it was the last; then `take` has the transcript. Errors end it:
    /// audio_empty, cancelled, those of AudioSource::read and Recognizer::transcribe.
    [[nodiscard]] Result<bool> step(Recognizer& recognizer, const std::stop_token& stop);

    [[nodiscard]] Transcript take();

private:
    void append(Transcript part, double offset);

    AudioSource& source_;
    TranscribeOptions options_;
    const SegmentSink sink_;
    const LongAudioOptions limits_;
    Transcript whole_;
    std::vector<float> window_;
    bool language_known_ = false;
    std::size_t done_ = 0;  // samples
};

/// All of it at once. Errors: those of LongTranscription::step.
[[nodiscard]] Result<Transcript> transcribe_source(Recognizer& recognizer, AudioSource& source,
                                                   const TranscribeOptions& options, const SegmentSink& sink,
                                                   const std::stop_token& stop, const LongAudioOptions& limits = {});

/// Where to cut `audio`: the middle of the quietest 0.2 s between `from` and the end (samples).
[[nodiscard]] std::size_t best_pause(AudioView audio, std::size_t from);

}  // namespace hotmic
