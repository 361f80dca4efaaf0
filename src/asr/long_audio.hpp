/// The one way every request passes through a recognizer, however long its audio.
#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "asr/coverage.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "system/mutex.hpp"

namespace hotmic {

/// Passes audio on and counts it. `samples` may be asked from any thread.
class CountingSource final : public AudioSource {
public:
    explicit CountingSource(AudioSource& inner) : inner_(inner) {}
    Result<std::size_t> read(std::span<float> out) override;
    [[nodiscard]] std::optional<Seconds> duration_hint() const override { return inner_.duration_hint(); }
    [[nodiscard]] std::string damage() const override { return inner_.damage(); }
    [[nodiscard]] std::size_t samples() const noexcept { return samples_.load(std::memory_order_relaxed); }

private:
    AudioSource& inner_;
    std::atomic<std::size_t> samples_{0};
};

/// Whether the language that was detected in so many samples may be kept for what follows: there was enough to hear,
/// and the engine was sure of it. An engine that tells no probability is not asked for one.
[[nodiscard]] bool is_sure_of_language(const Transcript& heard, std::size_t samples);

/// What a cutter can be besides: one that knows where in its windows somebody speaks.
class SpeechMap {
public:
    virtual ~SpeechMap() = default;
    /// Speech in the window that was cut last, in order, on the clock of the recording; empty where that is not known
    /// well enough to rely on.
    [[nodiscard]] virtual std::vector<SampleRange> speech_in_last() const = 0;
};

/// Windows of at most `window` without gaps. One that is not the last ends in its best pause: the quietest 0.2 s of its
/// last `search`.
[[nodiscard]] std::unique_ptr<WindowCutter> make_pause_cutter(Seconds window = Seconds(30),
                                                              Seconds search = Seconds(12));

/// The recognition of one source, window by window, so that memory is bounded by the windows under way and the
/// transcript. Times in segments are on the clock of the whole audio. A language that was detected for sure is kept
/// until somebody speaks after a pause of two seconds: then it is detected anew. What an engine writes of sounds is
/// left out, unless that is asked for.
///
/// Where the cutter is a SpeechMap the segments are held against it: speech that none of them covers is recognized
/// again by itself, and what is left even then is counted and logged; cues begin and end with speech.
///
/// One thread owns it and calls `step`; any number of others may `help`, each with a recognizer of its own. However
/// many do, the windows, what is asked for each of them, and the order in which they are told are the same. Between two
/// windows others may use a recognizer, and each window may have another one.
class LongTranscription {
public:
    /// `source` must outlive this. `cutter`: null is `make_pause_cutter()`. `sink` is called by one thread at a time.
    LongTranscription(AudioSource& source, TranscribeOptions options, SegmentSink sink,
                      std::unique_ptr<WindowCutter> cutter = {});

    /// Recognizes the next window; where none can be had yet, waits for those of others. True when it was the last and
    /// nobody has one any more. Errors end it: audio_empty, cancelled, those of AudioSource::read and
    /// Recognizer::transcribe.
    [[nodiscard]] Result<bool> step(Recognizer& recognizer, const std::stop_token& stop);

    /// Recognizes a window beside the owner's, if there is one. An error is told by `step`.
    void help(Recognizer& recognizer, const std::stop_token& stop);

    /// There seems to be a window for somebody who helps. Any thread.
    [[nodiscard]] bool wants_help() const noexcept { return wants_help_; }

    /// After `step` gave true.
    [[nodiscard]] Transcript take();

    /// Of audio read so far. Any thread.
    [[nodiscard]] Seconds read() const noexcept { return seconds_of(source_.samples()); }

    /// Of audio recognized so far: to the end of the last window before which none is missing. Any thread.
    [[nodiscard]] Seconds done() const noexcept { return seconds_of(done_); }

private:
    /// A window on its way through a recognizer.
    struct Task {
        std::size_t index = 0;
        AudioWindow window;
        std::vector<SampleRange> speech;  ///< empty: not known
        TranscribeOptions options;        ///< language is empty: to be detected
        bool tells = false;               ///< its segments, as they are found
    };
    /// What became of it.
    struct Part {
        Transcript transcript;
        std::size_t samples = 0;
        std::size_t end = 0;  ///< sample
        Seconds uncovered{};
        bool told = false;
        bool detected = false;  ///< was asked for the language
    };
    [[nodiscard]] Result<bool> take_step(Recognizer& recognizer, const std::stop_token& stop);
    [[nodiscard]] Result<void> read_next(const std::stop_token& stop) HOTMIC_REQUIRES(mutex_);
    [[nodiscard]] std::optional<Task> take_task() HOTMIC_REQUIRES(mutex_);
    [[nodiscard]] bool may_be_taken() const HOTMIC_REQUIRES(mutex_);
    [[nodiscard]] bool begins_anew(const AudioWindow& window) const HOTMIC_REQUIRES(mutex_);
    void put(const Task& task, Result<Part> part) HOTMIC_REQUIRES(mutex_);
    void append(Part part) HOTMIC_REQUIRES(mutex_);
    void note_language(const Transcript& part, std::size_t samples) HOTMIC_REQUIRES(mutex_);
    void update_wants_help() HOTMIC_REQUIRES(mutex_);

    [[nodiscard]] Result<Part> recognize(const Task& task, Recognizer& recognizer, const std::stop_token& stop) const;
    [[nodiscard]] Result<Transcript> hear(AudioView samples, std::size_t start, const TranscribeOptions& options,
                                          bool tell, Recognizer& recognizer, const std::stop_token& stop) const;
    [[nodiscard]] Result<Seconds> cover(const Task& task, Transcript& part, Recognizer& recognizer,
                                        const std::stop_token& stop) const;

    CountingSource source_;
    TranscribeOptions options_;  // no other once it is made
    const SegmentSink sink_;
    const std::unique_ptr<WindowCutter> cutter_ HOTMIC_POINTEE_GUARDED_BY(mutex_);
    const SpeechMap* const map_ HOTMIC_POINTEE_GUARDED_BY(mutex_);  // the cutter, if it is one
    bool detects_;                                                  // the language

    Mutex mutex_;
    Condition changed_;
    std::optional<AudioWindow> next_ HOTMIC_GUARDED_BY(mutex_);  // has been cut, and is nobody's yet
    std::vector<SampleRange> next_speech_ HOTMIC_GUARDED_BY(mutex_);
    bool begun_ HOTMIC_GUARDED_BY(mutex_) = false;
    bool ended_ HOTMIC_GUARDED_BY(mutex_) = false;         // the source
    std::size_t taken_ HOTMIC_GUARDED_BY(mutex_) = 0;      // windows
    std::size_t appended_ HOTMIC_GUARDED_BY(mutex_) = 0;   // windows
    std::size_t taken_end_ HOTMIC_GUARDED_BY(mutex_) = 0;  // sample where the window that was taken last ends
    int detecting_ HOTMIC_GUARDED_BY(mutex_) = 0;          // windows asked for their language and not appended yet
    std::map<std::size_t, Part> parts_ HOTMIC_GUARDED_BY(mutex_);
    std::optional<Error> error_ HOTMIC_GUARDED_BY(mutex_);
    Transcript whole_ HOTMIC_GUARDED_BY(mutex_);
    std::string kept_language_ HOTMIC_GUARDED_BY(mutex_);                 // detected, and good for what follows
    std::map<std::string, Seconds> languages_ HOTMIC_GUARDED_BY(mutex_);  // how much of each

    std::atomic<bool> wants_help_{false};
    std::atomic<std::size_t> done_{0};  // samples
};

/// All of it at once. Errors: those of LongTranscription::step.
[[nodiscard]] Result<Transcript> transcribe_source(Recognizer& recognizer, AudioSource& source,
                                                   const TranscribeOptions& options, const SegmentSink& sink,
                                                   const std::stop_token& stop,
                                                   std::unique_ptr<WindowCutter> cutter = {});

/// Where to cut `audio`: the middle of the quietest 0.2 s between `from` and the end (samples).
[[nodiscard]] std::size_t best_pause(AudioView audio, std::size_t from);

}  // namespace hotmic
