/// Live recognition: audio as it comes in, text as it becomes known. One core for every protocol and every provider.
///
///   push ─▶ voice detector ─▶ utterance ─▶ decoded again and again while it is spoken ─▶ partials, words stable by
///           agreement ─▶ decoded once more when it has ended ─▶ final
///
/// So it is with engines that hear audio whole. One whose streams are exact (Capabilities::exact_streams) is fed each
/// sample once instead, as it comes: what a step settles is stable at once, and the last step is the final. Where
/// streams are not exact, they add the newest words to partials, on a slot that nobody else needs. Audio that is final
/// is never decoded again.
///
/// Decodes of all streams and the requests for files share the model's slots by one rule: whose answer is wanted first
/// goes first (Request::wanted_by). When decodes begin too late, streams go without, level by level
/// (LiveStatus::level): fewer partials, none, finals that come late. Audio is dropped only once a stream's backlog is
/// over `max_backlog_seconds`, and then that is said.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "hotmic/voice.hpp"

namespace hotmic {

/// What one stream is asked for.
struct LiveOptions {
    TranscribeOptions transcribe{};  ///< of each decode
    /// None: everything is speech, and an utterance ends when `commit` says so.
    std::optional<Endpointing> endpointing = Endpointing{};
    bool partials = true;       ///< whether there are any
    Seconds max_utterance{20};  ///< a longer one is cut in its best pause
    Seconds max_backlog{60};    ///< of utterances that wait for their last decode; what is over is dropped
    std::string id{};           ///< appears in log lines
};

/// What a stream tells. Times are on the stream's own clock: from the first sample it was ever given.
struct LiveEvent {
    /// What is told.
    enum class Kind : std::uint8_t {
        speech_started,  ///< an utterance has begun
        speech_stopped,  ///< it has ended; its final follows
        partial,         ///< what it says so far; may change beyond `stable`
        final,           ///< what it says; never changes
        failed,          ///< it could not be recognized: `error`; the stream goes on
        dropped,         ///< it was not recognized, for the backlog was too long; the stream goes on
        model_ready,     ///< it has a model and decodes from now on
        model_changed,   ///< the model it had is gone; it goes on with another instance
        lost,            ///< there is no model for it: `error`; nothing follows
        ended,           ///< after `finish`: everything has been told
    };
    Kind kind = Kind::partial;     ///< what is told
    std::uint64_t utterance = 0;   ///< 1, 2, 3 …
    Seconds start{};               ///< of the utterance
    Seconds end{};                 ///< of the utterance, so far
    std::string text{};            ///< partial, final
    std::string stable{};          ///< beginning of `text` that will not change
    std::vector<Word> words{};     ///< of `text`
    std::string language{};        ///< ISO 639-1 code
    double confidence = 0;         ///< mean probability of the words, 0..1
    std::optional<Error> error{};  ///< of `failed` and `lost`
};

/// Told in order, one at a time, on any thread. Must not block, and must not call the stream.
using LiveSink = std::function<void(const LiveEvent&)>;

/// How one stream stands.
struct LiveStreamStatus {
    Seconds received{};         ///< of audio
    Seconds backlog{};          ///< audio that is over and has no final yet
    Seconds dropped{};          ///< audio that was never recognized
    Seconds held{};             ///< audio it keeps: the backlog, the open utterance, and a moment of silence
    std::uint64_t decodes = 0;  ///< of its audio, partial and final
    Seconds mean_decode{};      ///< of those
    Seconds decoding{};         ///< time of inference, all of it
};

/// One level of service.
struct LiveLevel {
    std::string name;  ///< "normal", "fewer_partials", …
    Seconds late{};    ///< it begins when decodes begin later than this
};

/// How all streams of a hub stand.
struct LiveStatus {
    std::size_t streams = 0;          ///< that are open
    std::size_t max_streams = 0;      ///< that may be
    std::string level;                ///< "normal", "fewer_partials", "no_partials", "late_finals"
    std::vector<LiveLevel> levels{};  ///< all there are, the best first
    Seconds lateness{};               ///< between when a decode is due and when it begins; moving mean
    Seconds backlog{};                ///< of all streams
    Seconds dropped{};                ///< of all streams there ever were
};

/// One speaker. Destroying it cancels what is under way; nothing is told afterwards.
class LiveStream {
public:
    class Impl;
    /// Between two decodes of an utterance that is still spoken, at least.
    static constexpr Seconds kBetweenPartials{0.2};

    /// Made by `LiveHub::open`.
    explicit LiveStream(std::shared_ptr<Impl> impl);
    ~LiveStream();
    LiveStream(const LiveStream&) = delete;
    LiveStream& operator=(const LiveStream&) = delete;

    /// The next samples. One thread at a time; returns at once. Samples that are not finite are taken for silence.
    void push(AudioView samples);

    /// Ends the open utterance here and now; nothing without one. Returns how much audio is in it.
    Seconds commit();

    /// Forgets audio that belongs to no ended utterance.
    void clear();

    /// No more audio: what is open becomes final, then `ended` is told.
    void finish();

    /// How it stands. Any thread.
    [[nodiscard]] LiveStreamStatus status() const;

private:
    std::shared_ptr<Impl> impl_;
};

/// Serves all live streams of a process: decides which is decoded next. Thread-safe.
class LiveHub {
public:
    /// Asks for a lease, as ModelManager::when_ready does; `lost` is an instance that is not wanted again, or empty.
    /// Calls back exactly once, on any thread, possibly before it returns.
    using LeaseSource = std::function<void(std::string lost, std::function<void(Result<Lease>)> then)>;

    /// `max_streams` at once, at most.
    explicit LiveHub(std::size_t max_streams);
    /// Streams must be gone.
    ~LiveHub();
    LiveHub(const LiveHub&) = delete;
    LiveHub& operator=(const LiveHub&) = delete;

    /// Begins a stream. It takes audio at once, and decodes as soon as `leases` has a model for it. On that instance it
    /// stays for as long as that lives; then it asks for another, and what was being decoded is decoded there. Errors:
    /// queue_full (too many streams).
    [[nodiscard]] Result<std::unique_ptr<LiveStream>> open(LeaseSource leases, LiveOptions options, LiveSink sink);

    /// How all streams stand. Any thread.
    [[nodiscard]] LiveStatus status() const;

private:
    class Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace hotmic
