/// One stream from the inside, as its hub sees it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/live_stream.hpp"
#include "hotmic/state.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "live/agreement.hpp"
#include "live/degrade_ladder.hpp"
#include "speech/speech_finder.hpp"
#include "system/mutex.hpp"

namespace hotmic {

enum class DecodeKind : std::uint8_t {
    final,   // of an utterance that is over; of an exact stream its last step
    whole,   // of the open one, from its beginning or a pause between stable words: words become stable by these
    step,    // of the open one, by an engine whose streams are exact: what it settles is stable
    newest,  // likewise by one whose streams hear worse: it only adds to what the last whole one heard
};

/// A decode that could be begun, and when it is wanted.
struct DueDecode {
    Clock::time_point due;
    DecodeKind kind = DecodeKind::final;
    Seconds tolerance{};  // it is not late when it begins so much after that
};

class LiveStream::Impl : public std::enable_shared_from_this<LiveStream::Impl> {
public:
    /// How long a decode had to wait for a slot of an instance.
    struct Waited {
        std::string instance;
        Seconds time{};
    };
    /// Tells the hub to look again, and what waited; called without locks held.
    using Wake = std::function<void(const std::optional<Waited>& waited)>;

    /// `number`: of this stream among those of its hub. `finder`: none without endpointing.
    Impl(std::uint32_t number, LiveHub::LeaseSource leases, LiveOptions options, std::optional<SpeechFinder> finder,
         LiveSink sink, Wake wake);

    // --- for the stream's owner ---
    void push(AudioView samples);
    Seconds commit();
    void clear();
    void finish();
    void cancel();
    [[nodiscard]] LiveStreamStatus status() const;

    // --- for the hub ---
    /// Looks for a model other than the instance `gone`; meanwhile nothing is decoded.
    void find_model(const std::string& gone);
    /// What this stream wants next; nothing while a decode of that kind runs or it has no model. `speakers`: streams of
    /// the same model on which somebody speaks, this one included.
    [[nodiscard]] std::optional<DueDecode> due(DegradeLevel level, int speakers) const;
    /// Begins that decode, unless there is nothing to decode after all.
    void begin_decode(DecodeKind kind);
    /// Has its whole decode ended early, so that somebody's final gets the slot; it is due again at once. False where
    /// none runs.
    [[nodiscard]] bool yield_slot();
    /// How many decodes of it run.
    [[nodiscard]] int decodes() const;
    /// Whether it has an utterance without a final.
    [[nodiscard]] bool speaking() const;
    [[nodiscard]] bool ended() const;
    [[nodiscard]] std::string instance() const;
    /// How many decodes of its model may run at once.
    [[nodiscard]] int room() const;

private:
    struct Utterance {
        std::uint64_t number = 0;
        std::uint64_t start = 0;  // samples on the stream's clock, what is heard from before the speech included
        std::uint64_t end = 0;    // once it is over
        Agreement agreement{};
        std::string language{};          // heard last
        bool sure_of_language = false;   // so that its partials are not asked for another
        Clock::time_point begun_at{};    // its last whole decode; before the first, itself
        std::uint64_t decoded_from = 0;  // of the one that runs
        std::size_t words_before = 0;    // stable ones, which that one does not hear again
        std::uint64_t decoded_to = 0;
        std::uint64_t decoded_before = 0;             // where the whole decode before that ended
        std::vector<std::int32_t> draft{};            // the tokens of the last whole decode
        std::uint64_t draft_from = 0;                 // where that began
        Clock::time_point fed_at{};                   // its last step
        std::uint64_t fed_from = 0;                   // of that one
        std::uint64_t fed_to = 0;                     // what the engine's stream has been given
        std::uint64_t next_step_at = 0;               // that hears something new
        std::optional<Clock::time_point> step_due{};  // since when there is enough for it
        std::string heard{};                          // by the last step of an exact stream
        std::vector<Word> newest{};                   // what the last step heard that only adds the newest words
        Clock::time_point wanted_at{};                // its final, once it is over
        std::vector<float> audio{};                   // once it is over
        int deaths = 0;                               // of models, while they decoded it
        std::string died_last{};                      // the instance of the last of those
        std::optional<Error> given_up{};              // it is not decoded any more
    };
    using UtterancePtr = std::shared_ptr<Utterance>;

    void push_slice(AudioView samples);
    /// What each frame says that is complete now.
    [[nodiscard]] std::vector<SpeechFinder::Edge> find_speech(AudioView samples) HOTMIC_REQUIRES(owner_mutex_);

    void apply(std::span<const SpeechFinder::Edge> edges) HOTMIC_REQUIRES(mutex_);
    void open_utterance(std::uint64_t start) HOTMIC_REQUIRES(mutex_);
    void close_utterance(std::uint64_t end) HOTMIC_REQUIRES(mutex_);
    void cut_if_long() HOTMIC_REQUIRES(mutex_);
    void trim_history() HOTMIC_REQUIRES(mutex_);
    void drop_excess() HOTMIC_REQUIRES(mutex_);
    void end_if_done() HOTMIC_REQUIRES(mutex_);
    void tell(LiveEvent::Kind kind, const Utterance& utterance, LiveEvent event = {}) HOTMIC_REQUIRES(mutex_);
    void tell_text(LiveEvent::Kind kind, const Utterance& utterance, std::vector<Word> words, std::size_t stable)
        HOTMIC_REQUIRES(mutex_);
    void tell_partial(const Utterance& utterance) HOTMIC_REQUIRES(mutex_);
    [[nodiscard]] bool streams_exactly() const HOTMIC_REQUIRES(mutex_);
    void feed_anew(Utterance& utterance) const HOTMIC_REQUIRES(mutex_);
    void note_step_due(Utterance& utterance) const HOTMIC_REQUIRES(mutex_);
    void take_step(const UtterancePtr& utterance, const Transcript& result) HOTMIC_REQUIRES(mutex_);
    void end_in_blank(const Utterance& utterance, const Transcript& heard) HOTMIC_REQUIRES(mutex_);
    void cut_at(std::uint64_t cut) HOTMIC_REQUIRES(mutex_);
    void log_failure(const Utterance& utterance, const Error& error) const;
    void take_newest(Utterance& utterance, Result<Transcript> result) HOTMIC_REQUIRES(mutex_);
    void take_result(const UtterancePtr& utterance, DecodeKind kind, Result<Transcript> result) HOTMIC_REQUIRES(mutex_);
    void begin_behind_pause(Utterance& utterance) const HOTMIC_REQUIRES(mutex_);
    [[nodiscard]] Seconds interval(DegradeLevel level, int speakers) const HOTMIC_REQUIRES(mutex_);
    [[nodiscard]] std::vector<float> samples(std::uint64_t from, std::uint64_t to) const HOTMIC_REQUIRES(mutex_);
    [[nodiscard]] std::uint64_t received() const HOTMIC_REQUIRES(mutex_) { return base_ + audio_.size(); }
    [[nodiscard]] Seconds backlog() const HOTMIC_REQUIRES(mutex_);

    void decoded(const UtterancePtr& utterance, DecodeKind kind, const std::string& instance, Result<Transcript> result,
                 const RequestTimings& timings);
    void note_death(const UtterancePtr& utterance, const std::string& instance) HOTMIC_REQUIRES(mutex_);
    void take_lease(Result<Lease> lease, bool first);

    const std::uint32_t number_;
    const LiveOptions options_;
    const LiveHub::LeaseSource leases_;
    const LiveSink sink_;
    const Wake wake_;
    std::stop_source stop_;

    // Of the owner's calls. What listens takes long and holds only this one.
    Mutex owner_mutex_ HOTMIC_ACQUIRED_BEFORE(mutex_);
    std::optional<SpeechFinder> finder_ HOTMIC_GUARDED_BY(owner_mutex_);
    std::vector<float> unheard_ HOTMIC_GUARDED_BY(owner_mutex_);  // less than a frame, at the end of the audio

    mutable Mutex mutex_;
    std::shared_ptr<const Lease> lease_ HOTMIC_GUARDED_BY(mutex_);  // null: no model; shared with the decode that runs
    std::vector<float> audio_ HOTMIC_GUARDED_BY(mutex_);            // from sample `base_` on
    std::uint64_t base_ HOTMIC_GUARDED_BY(mutex_) = 0;
    std::uint64_t detected_ HOTMIC_GUARDED_BY(mutex_) = 0;  // samples in which speech was looked for
    std::uint64_t last_end_ HOTMIC_GUARDED_BY(mutex_) = 0;  // of the last utterance
    std::uint64_t last_number_ HOTMIC_GUARDED_BY(mutex_) = 0;
    std::string language_ HOTMIC_GUARDED_BY(mutex_);  // of the last utterance sure of its own; till then, of the first
    UtterancePtr open_ HOTMIC_GUARDED_BY(mutex_);
    std::deque<UtterancePtr> over_ HOTMIC_GUARDED_BY(mutex_);         // wait for their final, oldest first
    std::optional<DecodeKind> decoding_ HOTMIC_GUARDED_BY(mutex_){};  // what runs of whole, final and step
    bool adding_ HOTMIC_GUARDED_BY(mutex_) = false;                   // the newest words
    bool finished_ HOTMIC_GUARDED_BY(mutex_) = false;
    bool ended_ HOTMIC_GUARDED_BY(mutex_) = false;
    Seconds cost_ HOTMIC_GUARDED_BY(mutex_){};  // moving mean of a whole decode
    LiveStreamStatus counts_ HOTMIC_GUARDED_BY(mutex_){};
    std::stop_source stop_whole_ HOTMIC_GUARDED_BY(mutex_);  // of the whole decode that runs
};

}  // namespace hotmic
