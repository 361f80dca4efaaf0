/// One stream from the inside, as its hub sees it.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

#include "hotmic/live_stream.hpp"
#include "live/agreement.hpp"
#include "live/ladder.hpp"
#include "live/speech_finder.hpp"

namespace hotmic {

enum class DecodeKind : std::uint8_t {
    final,    // of an utterance that is over
    whole,    // of the open one, from its beginning: words become stable by these
    growing,  // of the open one, by an engine that goes on where it was: cheap, and hears worse, so that it only adds
              // to what the last whole one heard
};

/// A decode that could be begun, and when it is wanted.
struct DueDecode {
    Clock::time_point due;
    DecodeKind kind = DecodeKind::final;
};

class LiveStream::Impl : public std::enable_shared_from_this<LiveStream::Impl> {
public:
    /// Tells the hub to look again, and how long a decode had to wait for a slot; called without locks held.
    using Wake = std::function<void(std::optional<std::chrono::duration<double>> waited)>;

    /// `number`: of this stream among those of its hub. `finder`: none without endpointing.
    Impl(std::uint32_t number, LiveHub::LeaseSource leases, LiveOptions options, std::optional<SpeechFinder> finder,
         LiveSink sink, Wake wake);

    // --- for the stream's owner ---
    void push(AudioView samples);
    double commit();
    void clear();
    void finish();
    void cancel();
    [[nodiscard]] LiveStreamStatus status() const;

    // --- for the hub ---
    /// Looks for a model other than the instance `gone`; meanwhile nothing is decoded.
    void find_model(const std::string& gone);
    /// What this stream wants next; nothing while a decode of that kind runs or it has no model. `slot_to_spare`: an
    /// utterance may have one beside that of its whole decodes.
    [[nodiscard]] std::optional<DueDecode> due(DegradeLevel level, bool slot_to_spare) const;
    /// Begins that decode, unless there is nothing to decode after all.
    void begin_decode(DecodeKind kind);
    /// How many decodes of it run.
    [[nodiscard]] int decodes() const;
    /// Whether it has an utterance without a final.
    [[nodiscard]] bool speaking() const;
    [[nodiscard]] bool ended() const;
    [[nodiscard]] std::string instance() const;
    [[nodiscard]] int slots() const;

private:
    struct Utterance {
        std::uint64_t number = 0;
        std::uint64_t start = 0;  // samples on the stream's clock, what is heard from before the speech included
        std::uint64_t end = 0;    // once it is over
        Agreement agreement{};
        std::string language{};
        Clock::time_point decoded_at{};  // whole; or begun at
        std::uint64_t decoded_to = 0;
        Clock::time_point grown_at{};  // the same of its growing decodes
        std::uint64_t grown_to = 0;
        std::vector<Word> grown{};      // what the last of those heard
        Clock::time_point wanted_at{};  // its final, once it is over
        std::vector<float> audio{};     // once it is over
        bool replayed = false;
    };
    using UtterancePtr = std::shared_ptr<Utterance>;

    // All of these with the mutex held.
    void detect();
    void open_utterance(std::uint64_t start);
    void close_utterance(std::uint64_t end);
    void cut_if_long();
    void trim_history();
    void drop_excess();
    void end_if_done();
    void tell(LiveEvent::Kind kind, const Utterance& utterance, LiveEvent event = {});
    void tell_text(LiveEvent::Kind kind, const Utterance& utterance, std::vector<Word> words, std::size_t stable);
    void tell_partial(const Utterance& utterance);
    void log_failure(const Utterance& utterance, const Error& error) const;
    void take_grown(Utterance& utterance, Result<Transcript> result);
    void take_result(const UtterancePtr& utterance, DecodeKind kind, Result<Transcript> result);
    [[nodiscard]] std::chrono::duration<double> interval(DegradeLevel level) const;
    [[nodiscard]] std::vector<float> samples(std::uint64_t from, std::uint64_t to) const;
    [[nodiscard]] std::uint64_t received() const { return base_ + audio_.size(); }
    [[nodiscard]] double backlog() const;

    void decoded(const UtterancePtr& utterance, DecodeKind kind, Result<Transcript> result,
                 const RequestTimings& timings);
    void take_lease(Result<Lease> lease, bool first);

    const std::uint32_t number_;
    const LiveOptions options_;
    const LiveHub::LeaseSource leases_;
    const LiveSink sink_;
    const Wake wake_;

    mutable std::mutex mutex_;
    std::shared_ptr<const Lease> lease_;  // null while it has no model; shared with the decode that runs
    std::optional<SpeechFinder> finder_;
    std::vector<float> audio_;  // from sample `base_` on
    std::uint64_t base_ = 0;
    std::uint64_t detected_ = 0;  // samples in which speech was looked for
    std::uint64_t last_end_ = 0;  // of the last utterance
    std::uint64_t last_number_ = 0;
    UtterancePtr open_;
    std::deque<UtterancePtr> over_;  // wait for their final, oldest first
    bool decoding_ = false;          // whole or final
    bool growing_ = false;
    bool finished_ = false;
    bool ended_ = false;
    double cost_ = 0;  // moving mean of a whole decode, seconds
    LiveStreamStatus counts_{};
    std::stop_source stop_;
};

}  // namespace hotmic
