#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <ranges>
#include <utility>

#include "asr/languages.hpp"
#include "asr/long_audio.hpp"
#include "live/live_stream_impl.hpp"

namespace hotmic {
namespace {

using Seconds = std::chrono::duration<double>;

/// New audio that makes another decode worth it.
constexpr std::uint64_t kWorthDecoding = kSampleRate * 3 / 10;
/// Between two decodes of the open utterance, at least; longer where decodes take long, so that they take half of the
/// time at most; but no longer than the last.
constexpr Seconds kInterval{LiveStream::kPartialSeconds};
constexpr double kPause = 2;
constexpr Seconds kLongestInterval{5};
constexpr double kFewer = 3;
/// A partial may come this much later than a final.
constexpr std::chrono::milliseconds kPartialPatience{500};
/// A final that found no slot is tried again after this.
constexpr std::chrono::milliseconds kAgain{250};

/// Words of an engine that tells their times; of one that does not, spread evenly over their segment.
std::vector<Word> words_of(const Transcript& transcript, double offset) {
    std::vector<Word> words;
    for (const auto& segment : transcript.segments) {
        auto heard = segment.words;
        if (heard.empty()) {
            for (const auto part : std::views::split(segment.text, ' ')) {
                if (!part.empty()) heard.push_back({.text = std::string(part.begin(), part.end())});
            }
            const double each =
                (segment.end - segment.start) / static_cast<double>(std::max<std::size_t>(1, heard.size()));
            for (std::size_t i = 0; i < heard.size(); ++i) {
                heard[i].start = segment.start + each * static_cast<double>(i);
                heard[i].end = heard[i].start + each;
                heard[i].probability = std::exp(segment.avg_logprob);
            }
        }
        for (auto& word : heard) {
            word.start += offset;
            word.end += offset;
        }
        std::ranges::move(heard, std::back_inserter(words));
    }
    return words;
}

std::string joined(std::span<const Word> words, std::string_view language) {
    std::string text;
    for (const auto& word : words) {
        if (!text.empty() && has_spaces(language)) text += ' ';
        text += word.text;
    }
    return text;
}

/// Not the stream's fault, nor the model's: the slots are taken.
bool is_busy(ErrorCode code) {
    return code == ErrorCode::queue_full || code == ErrorCode::queue_timeout;
}

bool is_without_model(ErrorCode code) {
    return code == ErrorCode::model_lost || code == ErrorCode::model_unloaded;
}

}  // namespace

LiveStream::Impl::Impl(std::uint32_t number, LiveHub::LeaseSource leases, LiveOptions options,
                       std::optional<SpeechFinder> finder, LiveSink sink, Wake wake)
    : number_(number),
      options_(std::move(options)),
      leases_(std::move(leases)),
      sink_(std::move(sink)),
      wake_(std::move(wake)),
      finder_(std::move(finder)) {}

// --- for the stream's owner ---

void LiveStream::Impl::push(AudioView samples) {
    {
        const std::scoped_lock lock(mutex_);
        if (finished_ || ended_) return;
        std::ranges::transform(samples, std::back_inserter(audio_),
                               [](float sample) { return std::isfinite(sample) ? sample : 0.0F; });
        counts_.received_seconds = seconds_of(received());
        if (finder_)
            detect();
        else if (!open_ && !samples.empty())
            open_utterance(received() - samples.size());
        cut_if_long();
        trim_history();
        drop_excess();
    }
    wake_({});
}

double LiveStream::Impl::commit() {
    double seconds = 0;
    {
        const std::scoped_lock lock(mutex_);
        if (!open_ || finished_ || ended_) return 0;
        seconds = seconds_of(received() - open_->start);
        close_utterance(received());
        if (finder_) finder_->reset();
        trim_history();
        drop_excess();
    }
    wake_({});
    return seconds;
}

void LiveStream::Impl::clear() {
    const std::scoped_lock lock(mutex_);
    open_.reset();
    if (finder_) finder_->reset();
    last_end_ = received();
    trim_history();
}

void LiveStream::Impl::finish() {
    {
        const std::scoped_lock lock(mutex_);
        if (finished_ || ended_) return;
        if (open_) close_utterance(received());
        finished_ = true;
        end_if_done();
    }
    wake_({});
}

void LiveStream::Impl::cancel() {
    {
        const std::scoped_lock lock(mutex_);
        ended_ = true;
        lease_.reset();
    }
    stop_.request_stop();
}

LiveStreamStatus LiveStream::Impl::status() const {
    const std::scoped_lock lock(mutex_);
    auto status = counts_;
    status.backlog_seconds = backlog();
    status.held_seconds = status.backlog_seconds + seconds_of(audio_.size());
    if (status.decodes > 0) status.mean_decode_ms = status.decode_seconds * 1000 / static_cast<double>(status.decodes);
    return status;
}

// --- audio ---

void LiveStream::Impl::detect() {
    while (received() - detected_ >= VoiceDetector::kFrameSamples) {
        const auto frame = AudioView(audio_).subspan(detected_ - base_, VoiceDetector::kFrameSamples);
        const auto edge = finder_->take(frame);
        detected_ += VoiceDetector::kFrameSamples;
        if (edge.change == Endpointer::Change::started)
            open_utterance(std::max({edge.at, last_end_, base_}));
        else if (edge.change == Endpointer::Change::stopped && open_)
            close_utterance(std::clamp(edge.at, open_->start, detected_));
    }
}

void LiveStream::Impl::open_utterance(std::uint64_t start) {
    open_ = std::make_shared<Utterance>();
    open_->number = ++last_number_;
    open_->start = open_->decoded_to = open_->grown_to = start;
    open_->decoded_at = open_->grown_at = Clock::now();
    tell(LiveEvent::Kind::speech_started, *open_);
}

void LiveStream::Impl::close_utterance(std::uint64_t end) {
    const auto utterance = std::exchange(open_, nullptr);
    utterance->end = last_end_ = end;
    utterance->wanted_at = Clock::now();
    utterance->audio = samples(utterance->start, end);
    over_.push_back(utterance);
    tell(LiveEvent::Kind::speech_stopped, *utterance);
}

/// Somebody who never pauses: what is said up to the best pause is final, and the words that already are stable beyond
/// it remain so in the utterance that follows.
void LiveStream::Impl::cut_if_long() {
    const auto longest = static_cast<std::uint64_t>(options_.max_utterance_seconds * kSampleRate);
    while (open_ && received() - open_->start > longest) {
        const auto spoken = samples(open_->start, open_->start + longest);
        const auto cut = open_->start + best_pause(spoken, spoken.size() / 2);
        const auto long_one = open_;
        auto rest = long_one->agreement.split(seconds_of(cut));
        close_utterance(cut);
        open_utterance(cut);
        open_->agreement = std::move(rest);
        open_->language = long_one->language;
    }
}

void LiveStream::Impl::trim_history() {
    auto needed = finder_ ? detected_ - std::min(detected_, SpeechFinder::history(*options_.endpointing)) : received();
    if (open_) needed = std::min(needed, open_->start);
    if (needed < base_ + kSampleRate) return;  // not for every few samples
    audio_.erase(audio_.begin(), audio_.begin() + static_cast<std::ptrdiff_t>(needed - base_));
    base_ = needed;
}

void LiveStream::Impl::drop_excess() {
    while (backlog() > options_.max_backlog_seconds) {
        // The one that is being decoded is as good as done.
        const auto oldest = over_.begin() + (decoding_ ? 1 : 0);
        if (oldest >= over_.end()) return;
        const auto utterance = std::move(*oldest);
        over_.erase(oldest);
        counts_.dropped_seconds += seconds_of(utterance->audio.size());
        spdlog::warn("stream={} dropped_s={:.1f} backlog_s={:.1f}", options_.id, seconds_of(utterance->audio.size()),
                     backlog());
        tell(LiveEvent::Kind::dropped, *utterance);
    }
}

std::vector<float> LiveStream::Impl::samples(std::uint64_t from, std::uint64_t to) const {
    const auto view = AudioView(audio_).subspan(from - base_, to - from);
    return {view.begin(), view.end()};
}

double LiveStream::Impl::backlog() const {
    std::size_t samples = 0;
    for (const auto& utterance : over_) samples += utterance->audio.size();
    return seconds_of(samples);
}

// --- telling ---

void LiveStream::Impl::tell(LiveEvent::Kind kind, const Utterance& utterance, LiveEvent event) {
    if (ended_) return;
    event.kind = kind;
    event.utterance = utterance.number;
    event.start = seconds_of(utterance.start);
    event.end = seconds_of(utterance.end > 0 ? utterance.end : received());
    event.language = utterance.language;
    sink_(event);
}

void LiveStream::Impl::tell_text(LiveEvent::Kind kind, const Utterance& utterance, std::vector<Word> words,
                                 std::size_t stable) {
    LiveEvent event{.text = joined(words, utterance.language),
                    .stable = joined(std::span(words).first(stable), utterance.language)};
    for (const auto& word : words) event.confidence += word.probability / static_cast<double>(words.size());
    event.words = std::move(words);
    tell(kind, utterance, std::move(event));
}

void LiveStream::Impl::tell_partial(const Utterance& utterance) {
    auto words = utterance.agreement.extended_by(utterance.grown);
    if (!words.empty())
        tell_text(LiveEvent::Kind::partial, utterance, std::move(words), utterance.agreement.stable().size());
}

void LiveStream::Impl::log_failure(const Utterance& utterance, const Error& error) const {
    spdlog::warn("stream={} utterance={} code={} message={:?}", options_.id, utterance.number, to_string(error.code),
                 error.message);
}

void LiveStream::Impl::end_if_done() {
    if (!finished_ || ended_ || !over_.empty() || decoding_) return;
    tell(LiveEvent::Kind::ended, Utterance{.number = last_number_});
    ended_ = true;
    lease_.reset();
}

// --- decoding ---

std::chrono::duration<double> LiveStream::Impl::interval(DegradeLevel level) const {
    const Seconds usual = std::clamp(Seconds(cost_ * kPause), kInterval, kLongestInterval);
    return level == DegradeLevel::normal ? usual : usual * kFewer;
}

std::optional<DueDecode> LiveStream::Impl::due(DegradeLevel level, bool slot_to_spare) const {
    const std::scoped_lock lock(mutex_);
    if (ended_ || !lease_) return {};
    if (!over_.empty()) {
        if (decoding_) return {};
        return DueDecode{over_.front()->wanted_at, DecodeKind::final};
    }
    if (!options_.partials || level >= DegradeLevel::no_partials || !open_) return {};

    std::optional<DueDecode> next;
    const auto consider = [&](DecodeKind kind, Clock::time_point last, std::uint64_t decoded_to, Seconds interval) {
        if (received() < decoded_to + kWorthDecoding) return;
        const auto due = last + std::chrono::duration_cast<Clock::duration>(interval);
        if (!next || due < next->due) next = {due, kind};
    };
    if (!decoding_) consider(DecodeKind::whole, open_->decoded_at, open_->decoded_to, interval(level));
    const bool grows = level == DegradeLevel::normal && slot_to_spare && lease_->model().capabilities.incremental;
    if (grows && !growing_) consider(DecodeKind::growing, open_->grown_at, open_->grown_to, kInterval);
    return next;
}

void LiveStream::Impl::begin_decode(DecodeKind kind) {
    std::unique_lock lock(mutex_);
    const bool final = kind == DecodeKind::final;
    const bool growing = kind == DecodeKind::growing;
    auto& running = growing ? growing_ : decoding_;
    const auto utterance = !final ? open_ : over_.empty() ? nullptr : over_.front();
    if (running || ended_ || !lease_ || !utterance) return;
    auto audio = final ? utterance->audio : samples(utterance->start, received());
    if (!final) (growing ? utterance->grown_to : utterance->decoded_to) = received();
    running = true;

    Request request{.audio = source_from_samples(std::move(audio)),
                    .options = options_.transcribe,
                    .stop = stop_.get_token(),
                    .id = options_.id,
                    .wanted_by = Clock::now() + (final ? std::chrono::milliseconds(0) : kPartialPatience)};
    request.options.word_timestamps = true;
    request.options.growing = growing;
    // Its final may have the slot of what grew; a whole decode in between would take that away from it.
    if (kind != DecodeKind::whole) request.utterance = std::uint64_t{number_} << 32 | utterance->number;
    if (!utterance->language.empty()) request.options.language = utterance->language;
    const auto lease = lease_;
    lock.unlock();
    lease->submit(std::move(request), [self = shared_from_this(), utterance, kind](Result<Transcript> result,
                                                                                   const RequestTimings& timings) {
        self->decoded(utterance, kind, std::move(result), timings);
    });
}

void LiveStream::Impl::decoded(const UtterancePtr& utterance, DecodeKind kind, Result<Transcript> result,
                               const RequestTimings& timings) {
    const Seconds took = timings.inference;
    std::string gone;
    {
        const std::scoped_lock lock(mutex_);
        if (result) {
            ++counts_.decodes;
            counts_.decode_seconds += took.count();
        }
        if (kind == DecodeKind::growing) {
            take_grown(*utterance, std::move(result));
            growing_ = false;
        } else if (!result && is_without_model(result.error().code) && !ended_) {
            gone = lease_->instance_id();
            // An utterance that has ended two models is not given to a third.
            if (kind == DecodeKind::final && result.error().code == ErrorCode::model_lost &&
                std::exchange(utterance->replayed, true)) {
                over_.pop_front();
                tell(LiveEvent::Kind::failed, *utterance, {.error = std::move(result).error()});
            }
        } else {
            if (result) cost_ = cost_ == 0 ? took.count() : 0.7 * cost_ + 0.3 * took.count();
            take_result(utterance, kind, std::move(result));
            decoding_ = false;
            end_if_done();
        }
    }
    if (!gone.empty()) return find_model(gone);
    wake_(timings.queued);
}

void LiveStream::Impl::take_grown(Utterance& utterance, Result<Transcript> result) {
    utterance.grown_at = Clock::now();
    if (!result) {
        // Where the model is gone or busy, a whole decode finds that out, too.
        const auto code = result.error().code;
        if (code != ErrorCode::cancelled && !is_busy(code) && !is_without_model(code))
            log_failure(utterance, result.error());
        return;
    }
    if (&utterance != open_.get()) return;
    utterance.grown = words_of(*result, seconds_of(utterance.start));
    tell_partial(utterance);
}

void LiveStream::Impl::take_result(const UtterancePtr& utterance, DecodeKind kind, Result<Transcript> result) {
    const bool final = kind == DecodeKind::final;
    utterance->decoded_at = Clock::now();
    if (!result && result.error().code == ErrorCode::cancelled) return;
    if (!result && final && is_busy(result.error().code)) {
        utterance->wanted_at = Clock::now() + kAgain;
        return;
    }
    if (final) over_.pop_front();
    if (!result) {
        log_failure(*utterance, result.error());
        if (final) tell(LiveEvent::Kind::failed, *utterance, {.error = std::move(result).error()});
        return;
    }
    if (utterance->language.empty() && !result->text.empty()) utterance->language = result->language;
    auto words = words_of(*result, seconds_of(utterance->start));
    if (final) {
        words = utterance->agreement.conclude(std::move(words));
        const auto count = words.size();
        return tell_text(LiveEvent::Kind::final, *utterance, std::move(words), count);
    }
    if (utterance != open_) return;  // it ended meanwhile: its final is next
    utterance->agreement.update(std::move(words));
    tell_partial(*utterance);
}

void LiveStream::Impl::find_model(const std::string& gone) {
    {
        const std::scoped_lock lock(mutex_);
        decoding_ = false;
        lease_.reset();
    }
    if (!gone.empty()) spdlog::warn("stream={} instance={} is gone; looks for another", options_.id, gone);
    leases_(gone, [weak = weak_from_this(), first = gone.empty()](Result<Lease> lease) {
        if (const auto self = weak.lock()) self->take_lease(std::move(lease), first);
    });
}

void LiveStream::Impl::take_lease(Result<Lease> lease, bool first) {
    {
        const std::scoped_lock lock(mutex_);
        if (ended_) return;
        const Utterance last{.number = last_number_};
        if (lease) {
            lease_ = std::make_shared<const Lease>(*std::move(lease));
            tell(first ? LiveEvent::Kind::model_ready : LiveEvent::Kind::model_changed, last);
            end_if_done();
        } else {
            tell(LiveEvent::Kind::lost, last, {.error = std::move(lease).error()});
            ended_ = true;
        }
    }
    wake_({});
}

int LiveStream::Impl::decodes() const {
    const std::scoped_lock lock(mutex_);
    return (decoding_ ? 1 : 0) + (growing_ ? 1 : 0);
}

bool LiveStream::Impl::speaking() const {
    const std::scoped_lock lock(mutex_);
    return open_ != nullptr || !over_.empty();
}

bool LiveStream::Impl::ended() const {
    const std::scoped_lock lock(mutex_);
    return ended_;
}

std::string LiveStream::Impl::instance() const {
    const std::scoped_lock lock(mutex_);
    return lease_ ? lease_->instance_id() : std::string{};
}

int LiveStream::Impl::slots() const {
    const std::scoped_lock lock(mutex_);
    return lease_ ? lease_->model().slots : 0;
}

// --- what callers hold ---

LiveStream::LiveStream(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
LiveStream::~LiveStream() {
    impl_->cancel();
}
void LiveStream::push(AudioView samples) {
    impl_->push(samples);
}
double LiveStream::commit() {
    return impl_->commit();
}
void LiveStream::clear() {
    impl_->clear();
}
void LiveStream::finish() {
    impl_->finish();
}
LiveStreamStatus LiveStream::status() const {
    return impl_->status();
}

}  // namespace hotmic
