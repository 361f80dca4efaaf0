/// The one way every request passes through a recognizer, however long its audio.
#pragma once

#include <functional>
#include <stop_token>

#include "hotmic/provider.hpp"

namespace hotmic {

struct LongAudioOptions {
    double window_seconds = 60;  ///< most audio given to the engine at once
    double search_seconds = 20;  ///< the cut is looked for in this last part of a window
    std::function<void(double seconds_done)> on_progress{};
};

/// Pulls audio from `source` and recognizes it window by window, so that memory is bounded by one window and the
/// transcript. A window that is not the last ends in its best pause: the quietest 0.2 s of its last `search_seconds`.
/// Times in segments are on the clock of the whole audio. The language detected in the first window is kept for the
/// rest. Errors: audio_empty, cancelled, those of AudioSource::read and Recognizer::transcribe.
[[nodiscard]] Result<Transcript> transcribe_source(Recognizer& recognizer, AudioSource& source,
                                                   const TranscribeOptions& options, const SegmentSink& sink,
                                                   std::stop_token stop, const LongAudioOptions& long_audio = {});

/// Where to cut `audio`: the middle of the quietest 0.2 s between `from` and the end (samples).
[[nodiscard]] std::size_t best_pause(AudioView audio, std::size_t from);

}  // namespace hotmic
