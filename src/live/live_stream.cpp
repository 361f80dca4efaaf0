#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <ranges>
#include <utility>

#include "asr/languages.hpp"
#include "asr/long_audio.hpp"
#include "lifecycle/quarantine.hpp"
#include "live/live_stream_impl.hpp"

namespace hotmic {
namespace {

using Seconds = std::chrono::duration<double>;

/// New audio that makes another decode worth it.
constexpr std::uint64_t kWorthDecoding = kSampleRate / 5;
/// From the beginning of a decode of the open utterance to that of the next, at least; longer where decodes take long,
/// so that partials of all who speak leave a part of the time to finals; but no longer than the last.
constexpr Seconds kInterval{LiveStream::kPartialSeconds};
constexpr double kMostShare = 0.75;
constexpr Seconds kLongestInterval{5};
constexpr double kFewer = 2;
/// A partial may come this much later than a final.
constexpr std::chrono::milliseconds kPartialPatience{500};
/// A final that found no slot is tried again after this.
constexpr std::chrono::milliseconds kAgain{250};

/// In an utterance that is half as long as one may be, a pause of so many seconds ends it: later there may be none.
constexpr double kGoodPause = 0.4;
/// Seconds that are heard again of what is forgotten because there was no word in it.
constexpr double kHeardAgain = 0.5;

/// A partial hears at least so many seconds of what was said last.
constexpr double kTail = 5;

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
    // In slices: the owner's other calls wait for one, and ten minutes may come at once.
    constexpr std::size_t kSlice = kSampleRate / 2;
    do {
        const auto slice = samples.first(std::min(kSlice, samples.size()));
        samples = samples.subspan(slice.size());
        push_slice(slice);
    } while (!samples.empty());
    wake_({});
}

void LiveStream::Impl::push_slice(AudioView samples) {
    const std::scoped_lock order(owner_mutex_);
    std::vector<float> sound(samples.size());
    std::ranges::transform(samples, sound.begin(), [](float sample) { return std::isfinite(sample) ? sample : 0.0F; });
    const auto edges = find_speech(sound);  // the slow part: the hub and whoever asks for the status do not wait for it
    const std::scoped_lock lock(mutex_);
    if (finished_ || ended_) return;
    std::ranges::copy(sound, std::back_inserter(audio_));
    counts_.received_seconds = seconds_of(received());
    if (finder_)
        apply(edges);
    else if (!open_ && !samples.empty())
        open_utterance(received() - samples.size());
    cut_if_long();
    if (open_) note_step_due(*open_);
    trim_history();
    drop_excess();
}

double LiveStream::Impl::commit() {
    double seconds = 0;
    {
        const std::scoped_lock lock(owner_mutex_, mutex_);
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
    const std::scoped_lock lock(owner_mutex_, mutex_);
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
    stop_whole_.request_stop();
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

std::vector<SpeechFinder::Edge> LiveStream::Impl::find_speech(AudioView samples) {
    std::vector<SpeechFinder::Edge> edges;
    if (!finder_) return edges;
    unheard_.insert(unheard_.end(), samples.begin(), samples.end());
    AudioView left(unheard_);
    for (; left.size() >= VoiceDetector::kFrameSamples; left = left.subspan(VoiceDetector::kFrameSamples))
        edges.push_back(finder_->take(left.first(VoiceDetector::kFrameSamples)));
    unheard_.erase(unheard_.begin(), unheard_.end() - static_cast<std::ptrdiff_t>(left.size()));
    return edges;
}

void LiveStream::Impl::apply(std::span<const SpeechFinder::Edge> edges) {
    for (const auto& edge : edges) {
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
    open_->start = open_->decoded_to = start;
    open_->begun_at = open_->fed_at = Clock::now();
    feed_anew(*open_);
    tell(LiveEvent::Kind::speech_started, *open_);
}

void LiveStream::Impl::close_utterance(std::uint64_t end) {
    const auto utterance = std::exchange(open_, nullptr);
    if (streams_exactly()) end = std::max(end, utterance->fed_to);  // the engine has heard it
    utterance->end = last_end_ = end;
    utterance->wanted_at = Clock::now();
    tell(LiveEvent::Kind::speech_stopped, *utterance);
    if (utterance->given_up) return tell(LiveEvent::Kind::failed, *utterance, {.error = utterance->given_up});
    utterance->audio = samples(utterance->start, end);
    if (decoding_ == DecodeKind::whole) stop_whole_.request_stop();  // its final hears all of it
    over_.push_back(utterance);
}

/// Somebody who never pauses: what is said up to the best pause is final, and the words that already are stable beyond
/// it remain so in the utterance that follows.
void LiveStream::Impl::cut_if_long() {
    const auto longest = static_cast<std::uint64_t>(options_.max_utterance_seconds * kSampleRate);
    while (open_ && received() - open_->start > longest) {
        const auto spoken = samples(open_->start, open_->start + longest);
        const auto cut = open_->start + best_pause(spoken, spoken.size() / 2);
        // What an exact stream has been fed it has heard.
        if (streams_exactly() && open_->fed_to > cut) {
            cut_at(open_->fed_to);
            continue;
        }
        auto rest = open_->agreement.split(seconds_of(cut));
        cut_at(cut);
        open_->agreement = std::move(rest);
    }
}

void LiveStream::Impl::cut_at(std::uint64_t cut) {
    const auto language = open_->language;
    close_utterance(cut);
    open_utterance(cut);
    open_->language = language;
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
    auto words = utterance.agreement.extended_by(utterance.newest);
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

std::chrono::duration<double> LiveStream::Impl::interval(DegradeLevel level, int speakers) const {
    const double for_each = std::max(1.0, static_cast<double>(speakers) / std::max(1, lease_->model().slots));
    const Seconds usual = std::clamp(Seconds(cost_ * for_each / kMostShare), kInterval, kLongestInterval);
    return level == DegradeLevel::normal ? usual : usual * kFewer;
}

std::optional<DueDecode> LiveStream::Impl::due(DegradeLevel level, int speakers) const {
    const std::scoped_lock lock(mutex_);
    if (ended_ || !lease_) return {};
    if (!over_.empty()) {
        if (decoding_) return {};
        return DueDecode{over_.front()->wanted_at, DecodeKind::final, Seconds(0)};
    }
    if (!options_.partials || level >= DegradeLevel::no_partials || !open_ || open_->given_up) return {};

    if (streams_exactly()) {
        if (decoding_ || !open_->step_due) return {};
        const Seconds step(lease_->model().step_seconds);
        const auto rest = level == DegradeLevel::normal ? Seconds(0) : step * (kFewer - 1);
        return DueDecode{*open_->step_due + std::chrono::duration_cast<Clock::duration>(rest), DecodeKind::step,
                         step / 2};
    }

    std::optional<DueDecode> next;
    const auto consider = [&](DecodeKind kind, Clock::time_point last, std::uint64_t decoded_to, Seconds interval) {
        if (received() < decoded_to + kWorthDecoding) return;
        const auto due = last + std::chrono::duration_cast<Clock::duration>(interval);
        if (!next || due < next->due) next = {due, kind, interval};
    };
    if (!decoding_) consider(DecodeKind::whole, open_->begun_at, open_->decoded_to, interval(level, speakers));
    const bool slot_to_spare = 2 * speakers <= lease_->model().slots;
    const bool adds = level == DegradeLevel::normal && slot_to_spare && lease_->model().capabilities.streaming;
    if (adds && !adding_) consider(DecodeKind::newest, open_->fed_at, open_->fed_to, kInterval);
    return next;
}

/// Chooses what its next whole decode hears: all of it, or what follows the last pause between two stable words that
/// leaves enough; so that a partial of a long utterance comes as soon as that of a short one.
void LiveStream::Impl::begin_behind_pause(Utterance& utterance) const {
    const auto before = utterance.agreement.stable_to_pause(seconds_of(received()) - kTail);
    utterance.words_before = before;
    utterance.decoded_from = utterance.start;
    if (before == 0) return;
    const auto& stable = utterance.agreement.stable();
    const double middle = (stable[before - 1].end + stable[before].start) / 2;
    utterance.decoded_from = std::clamp(static_cast<std::uint64_t>(middle * kSampleRate), utterance.start, received());
}

void LiveStream::Impl::begin_decode(DecodeKind kind) {
    std::unique_lock lock(mutex_);
    const bool final = kind == DecodeKind::final;
    const bool whole = kind == DecodeKind::whole;
    const bool adds = kind == DecodeKind::newest;
    const auto utterance = !final ? open_ : over_.empty() ? nullptr : over_.front();
    if ((adds ? adding_ : decoding_.has_value()) || ended_ || !lease_ || !utterance) return;
    if (whole) {
        begin_behind_pause(*utterance);
        utterance->begun_at = Clock::now();
        utterance->decoded_before = utterance->decoded_to;
        stop_whole_ = {};
    }
    if (adds)
        adding_ = true;
    else
        decoding_ = kind;
    const auto& can = lease_->model().capabilities;
    // A final by an engine that hears better at once is heard from its beginning.
    if (final && !can.exact_streams) utterance->fed_to = utterance->start;
    const auto from = whole ? utterance->decoded_from : utterance->fed_to;
    const auto to = final ? utterance->end : received();
    std::vector<float> audio;
    if (final)
        audio.assign(utterance->audio.begin() + static_cast<std::ptrdiff_t>(from - utterance->start),
                     utterance->audio.end());
    else
        audio = samples(from, to);

    Request request{.audio = source_from_samples(std::move(audio)),
                    .options = options_.transcribe,
                    .stop = (whole ? stop_whole_ : stop_).get_token(),
                    .id = options_.id,
                    .wanted_by = Clock::now() + (final ? std::chrono::milliseconds(0) : kPartialPatience)};
    request.options.word_timestamps = true;
    if (!can.exact_streams && utterance->draft_from == from) request.options.draft = utterance->draft;
    request.options.provisional = !final;
    const auto identity = std::uint64_t{number_} << 32 | utterance->number;
    request.fingerprint = identity;
    if (whole) {
        utterance->decoded_to = to;
    } else if (can.streaming) {
        request.options.step = {.stream = identity, .from = from - utterance->start, .last = final};
        utterance->fed_at = Clock::now();
        utterance->fed_from = from;
        utterance->fed_to = to;
        utterance->step_due.reset();
    }
    request.options.language_before = language_;
    if (!final && utterance->sure_of_language) request.options.language = utterance->language;
    const auto lease = lease_;
    lock.unlock();
    lease->submit(std::move(request), [self = shared_from_this(), utterance, kind, instance = lease->instance_id()](
                                          Result<Transcript> result, const RequestTimings& timings) {
        self->decoded(utterance, kind, instance, std::move(result), timings);
    });
}

void LiveStream::Impl::decoded(const UtterancePtr& utterance, DecodeKind kind, const std::string& instance,
                               Result<Transcript> result, const RequestTimings& timings) {
    const Seconds took = timings.inference;
    std::string gone;
    {
        const std::scoped_lock lock(mutex_);
        if (result) {
            ++counts_.decodes;
            counts_.decode_seconds += took.count();
        }
        if (timings.died_under_it) note_death(utterance, instance);
        if (kind == DecodeKind::newest) {
            take_newest(*utterance, std::move(result));
            adding_ = false;
        } else if (!result && is_without_model(result.error().code) && !ended_) {
            gone = instance;
            feed_anew(*utterance);
        } else {
            if (result && kind != DecodeKind::step)
                cost_ = cost_ == 0 ? took.count() : 0.7 * cost_ + 0.3 * took.count();
            take_result(utterance, kind, std::move(result));
            decoding_.reset();
            end_if_done();
        }
    }
    if (!gone.empty()) return find_model(gone);
    wake_(Waited{instance, timings.queued});
}

/// An utterance that two models died under is not given to a third, whether it is over or still being spoken.
void LiveStream::Impl::note_death(const UtterancePtr& utterance, const std::string& instance) {
    if (utterance->given_up || std::exchange(utterance->died_last, instance) == instance) return;
    if (++utterance->deaths < Request::kMostDeaths) return;
    utterance->given_up = poison();
    log_failure(*utterance, *utterance->given_up);
    if (std::erase(over_, utterance) > 0) tell(LiveEvent::Kind::failed, *utterance, {.error = utterance->given_up});
}

bool LiveStream::Impl::streams_exactly() const {
    return lease_ && lease_->model().capabilities.exact_streams;
}

/// The engine has nothing of it, or is to forget it.
void LiveStream::Impl::feed_anew(Utterance& utterance) const {
    utterance.fed_from = utterance.fed_to = utterance.start;
    utterance.next_step_at = utterance.start + 1;
    utterance.step_due.reset();
    note_step_due(utterance);
}

void LiveStream::Impl::note_step_due(Utterance& utterance) const {
    if (!utterance.step_due && received() >= utterance.next_step_at) utterance.step_due = Clock::now();
}

void LiveStream::Impl::take_step(const UtterancePtr& utterance, const Transcript& result) {
    utterance->language = result.language;
    utterance->sure_of_language = true;
    utterance->next_step_at = std::max(utterance->start + result.next_step_at, utterance->fed_to + 1);
    auto words = words_of(result, seconds_of(utterance->start));
    const bool more = !words.empty() && result.text != utterance->heard;
    utterance->heard = result.text;
    utterance->agreement.settle(std::move(words), result.settled_words);
    if (utterance != open_) return;  // it ended meanwhile: its last step is next
    note_step_due(*utterance);
    if (more) tell_partial(*utterance);
    end_in_blank(*utterance, result);
}

/// Where the detector takes noise for a voice, and where somebody speaks for long, the engine says where a pause is.
void LiveStream::Impl::end_in_blank(const Utterance& utterance, const Transcript& heard) {
    if (!options_.endpointing) return;
    const Seconds blank(heard.trailing_blank);
    if (heard.text.empty()) {
        const auto again = static_cast<std::uint64_t>(kHeardAgain * kSampleRate);
        if (blank < options_.endpointing->blank_without_words || utterance.fed_to < utterance.start + 2 * again) return;
        open_->start = utterance.fed_to - again;
        feed_anew(*open_);
        trim_history();
        return;
    }
    const bool is_long = seconds_of(utterance.fed_to - utterance.start) > options_.max_utterance_seconds / 2;
    if (blank < options_.endpointing->blank_after_words && !(is_long && blank.count() >= kGoodPause)) return;
    cut_at(utterance.fed_to);
    trim_history();
}

void LiveStream::Impl::take_newest(Utterance& utterance, Result<Transcript> result) {
    utterance.fed_at = Clock::now();
    if (!result) {
        feed_anew(utterance);
        if (result.error().code == ErrorCode::stream_lost) return;
        // Where the model is gone or busy, a whole decode finds that out, too.
        const auto code = result.error().code;
        if (code != ErrorCode::cancelled && !is_busy(code) && !is_without_model(code))
            log_failure(utterance, result.error());
        return;
    }
    if (&utterance != open_.get()) return;
    utterance.newest = words_of(*result, seconds_of(utterance.start));
    tell_partial(utterance);
}

void LiveStream::Impl::take_result(const UtterancePtr& utterance, DecodeKind kind, Result<Transcript> result) {
    const bool final = kind == DecodeKind::final;
    if (!result && result.error().code == ErrorCode::cancelled) {
        if (kind == DecodeKind::whole) utterance->decoded_to = utterance->decoded_before;
        return;
    }
    if (!result && result.error().code == ErrorCode::stream_lost) return feed_anew(*utterance);
    if (!result && kind != DecodeKind::whole && is_busy(result.error().code)) {
        utterance->fed_to = utterance->fed_from;
        utterance->wanted_at = Clock::now() + kAgain;
        utterance->step_due = utterance->wanted_at;
        return;
    }
    if (final) over_.pop_front();
    if (!result) {
        log_failure(*utterance, result.error());
        if (kind == DecodeKind::step) utterance->given_up = result.error();
        if (final) tell(LiveEvent::Kind::failed, *utterance, {.error = result.error()});
        return;
    }
    if (kind == DecodeKind::step) return take_step(utterance, *result);
    if (!result->text.empty() && !(utterance->sure_of_language && !final)) {
        utterance->language = result->language;
        utterance->sure_of_language =
            is_sure_of_language(*result, static_cast<std::size_t>(result->duration * kSampleRate));
        if (final && (utterance->sure_of_language || language_.empty())) language_ = result->language;
    }
    if (!result->segments.empty()) {  // else the last one is still the best
        utterance->draft.clear();
        for (const auto& segment : result->segments) utterance->draft.append_range(segment.tokens);
        utterance->draft_from = utterance->decoded_from;
    }
    if (final) {
        auto words = words_of(*result, seconds_of(utterance->start));
        words = utterance->agreement.conclude(std::move(words));
        const auto count = words.size();
        return tell_text(LiveEvent::Kind::final, *utterance, std::move(words), count);
    }
    if (utterance != open_) return;  // it ended meanwhile: its final is next
    const auto& stable = utterance->agreement.stable();
    std::vector<Word> words(stable.begin(), stable.begin() + static_cast<std::ptrdiff_t>(utterance->words_before));
    std::ranges::move(words_of(*result, seconds_of(utterance->decoded_from)), std::back_inserter(words));
    // In another language they would all be others.
    if (!utterance->sure_of_language && !words.empty())
        return tell_text(LiveEvent::Kind::partial, *utterance, std::move(words), 0);
    utterance->agreement.update(std::move(words), seconds_of(utterance->decoded_to));
    tell_partial(*utterance);
}

void LiveStream::Impl::find_model(const std::string& gone) {
    {
        const std::scoped_lock lock(mutex_);
        decoding_.reset();
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

bool LiveStream::Impl::yield_slot() {
    const std::scoped_lock lock(mutex_);
    if (decoding_ != DecodeKind::whole) return false;
    stop_whole_.request_stop();
    return true;
}

int LiveStream::Impl::decodes() const {
    const std::scoped_lock lock(mutex_);
    return (decoding_ ? 1 : 0) + (adding_ ? 1 : 0);
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

int LiveStream::Impl::room() const {
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
