/// The one way every request passes through a recognizer, however long its audio.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "hotmic/provider.hpp"

namespace hotmic {

/// Passes audio on and counts it.
class CountingSource final : public AudioSource {
public:
    explicit CountingSource(AudioSource& inner) : inner_(inner) {}
    Result<std::size_t> read(std::span<float> out) override;
    [[nodiscard]] std::optional<double> duration_hint() const override { return inner_.duration_hint(); }
    [[nodiscard]] std::string damage() const override { return inner_.damage(); }
    [[nodiscard]] std::size_t samples() const noexcept { return samples_; }

private:
    AudioSource& inner_;
    std::size_t samples_ = 0;
};

/// Windows of at most `window_seconds` without gaps. One that is not the last ends in its best pause: the quietest 0.2
/// s of its last `search_seconds`.
[[nodiscard]] std::unique_ptr<WindowCutter> make_pause_cutter(double window_seconds = 60, double search_seconds = 20);

/// The recognition of one source, window by window, so that memory is bounded by two windows and the transcript. Times
/// in segments are on the clock of the whole audio. The language detected in the first speech is kept for the rest.
///
/// Between two windows others may use the recognizer, and each window may have another one.
class LongTranscription {
public:
    /// `source` must outlive this. `cutter`: null is `make_pause_cutter()`.
    LongTranscription(AudioSource& source, TranscribeOptions options, SegmentSink sink,
                      std::unique_ptr<WindowCutter> cutter = {});

    /// Recognizes the next window. True when it was the last; then `take` has the transcript. Errors end it:
    /// audio_empty, cancelled, those of AudioSource::read and Recognizer::transcribe.
    [[nodiscard]] Result<bool> step(Recognizer& recognizer, const std::stop_token& stop);

    [[nodiscard]] Transcript take();

    /// Of audio read so far.
    [[nodiscard]] double seconds() const noexcept { return seconds_of(source_.samples()); }

    /// Of audio recognized so far: to the end of the last window.
    [[nodiscard]] double done_seconds() const noexcept { return seconds_of(done_); }

private:
    Result<void> recognize(const AudioWindow& window, Recognizer& recognizer, const std::stop_token& stop);
    void append(Transcript part, double offset);

    CountingSource source_;
    TranscribeOptions options_;
    const SegmentSink sink_;
    const std::unique_ptr<WindowCutter> cutter_;
    std::optional<AudioWindow> next_;
    bool begun_ = false;
    std::size_t done_ = 0;  // samples
    Transcript whole_;
    bool language_known_ = false;
};

/// All of it at once. Errors: those of LongTranscription::step.
[[nodiscard]] Result<Transcript> transcribe_source(Recognizer& recognizer, AudioSource& source,
                                                   const TranscribeOptions& options, const SegmentSink& sink,
                                                   const std::stop_token& stop,
                                                   std::unique_ptr<WindowCutter> cutter = {});

/// Where to cut `audio`: the middle of the quietest 0.2 s between `from` and the end (samples).
[[nodiscard]] std::size_t best_pause(AudioView audio, std::size_t from);

}  // namespace hotmic
