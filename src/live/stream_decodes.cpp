/// When utterances are decoded, how, and what becomes of the result.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

#include "asr/long_audio.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/live_stream.hpp"
#include "hotmic/state.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "lifecycle/quarantine.hpp"
#include "live/degrade_ladder.hpp"
#include "live/live_stream_impl.hpp"
#include "system/mutex.hpp"

namespace hotmic {
namespace {

/// New audio that makes another decode worth it.
constexpr std::uint64_t kWorthDecoding = kSampleRate / 5;
/// From the beginning of a decode of the open utterance to that of the next, at least; longer where decodes take long,
/// so that partials of all who speak leave a part of the time to finals; but no longer than the last.
constexpr Seconds kInterval = LiveStream::kBetweenPartials;
constexpr double kMostShare = 0.75;
constexpr Seconds kLongestInterval{5};
constexpr double kFewer = 2;
/// A partial may come this much later than a final.
constexpr std::chrono::milliseconds kPartialPatience{500};
/// A final that found no slot is tried again after this.
constexpr std::chrono::milliseconds kAgain{250};

/// In an utterance that is half as long as one may be, such a pause ends it: later there may be none.
constexpr Seconds kGoodPause(0.4);
/// What is heard again of what is forgotten because there was no word in it.
constexpr Seconds kHeardAgain(0.5);

/// A partial hears at least so much of what was said last.
constexpr Seconds kTail(5);

/// Words of an engine that tells their times; of one that does not, spread evenly over their segment.
std::vector<Word> words_of(const Transcript& transcript, Seconds offset) {
    std::vector<Word> words;
    for (const auto& segment : transcript.segments) {
        auto heard = segment.words;
        if (heard.empty()) {
            for (const auto part : std::views::split(segment.text, ' ')) {
                if (!part.empty()) heard.push_back({.text = std::string(part.begin(), part.end())});
            }
            const auto each =
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

/// Not the stream's fault, nor the model's: the slots are taken.
bool is_busy(ErrorCode code) {
    return code == ErrorCode::queue_full || code == ErrorCode::queue_timeout;
}

bool is_without_model(ErrorCode code) {
    return code == ErrorCode::model_lost || code == ErrorCode::model_unloaded;
}

}  // namespace

Seconds LiveStream::Impl::interval(DegradeLevel level, int speakers) const {
    const double for_each = std::max(1.0, static_cast<double>(speakers) / std::max(1, lease_->model().slots));
    const auto usual = std::clamp(cost_ * for_each / kMostShare, kInterval, kLongestInterval);
    return level == DegradeLevel::normal ? usual : usual * kFewer;
}

std::optional<DueDecode> LiveStream::Impl::due(DegradeLevel level, int speakers) const {
    const Lock lock(mutex_);
    if (ended_ || !lease_) return {};
    if (!over_.empty()) {
        if (decoding_) return {};
        return DueDecode{over_.front()->wanted_at, DecodeKind::final, Seconds(0)};
    }
    if (!options_.partials || level >= DegradeLevel::no_partials || !open_ || open_->given_up) return {};

    if (streams_exactly()) {
        if (decoding_ || !open_->step_due) return {};
        const auto step = lease_->model().step;
        const auto rest = level == DegradeLevel::normal ? Seconds(0) : step * (kFewer - 1);
        return DueDecode{*open_->step_due + std::chrono::duration_cast<Clock::duration>(rest), DecodeKind::step,
                         step / 2};
    }

    std::optional<DueDecode> next;
    const auto consider = [&](DecodeKind kind, Clock::time_point last, std::uint64_t decoded_to, Seconds interval)
                              HOTMIC_REQUIRES(mutex_) {
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
    const auto middle = (stable[before - 1].end + stable[before].start) / 2;
    utterance.decoded_from = std::clamp(static_cast<std::uint64_t>(samples_in(middle)), utterance.start, received());
}

void LiveStream::Impl::begin_decode(DecodeKind kind) {
    Lock lock(mutex_);
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
        request.options.step = {.stream = identity, .from = Samples(from - utterance->start), .last = final};
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
        const Lock lock(mutex_);
        if (result) {
            ++counts_.decodes;
            counts_.decoding += took;
        }
        if (timings.died_under_it) note_death(utterance, instance);
        if (kind == DecodeKind::newest) {
            take_newest(*utterance, std::move(result));
            adding_ = false;
        } else if (!result && is_without_model(result.error().code) && !ended_) {
            gone = instance;
            feed_anew(*utterance);
        } else {
            if (result && kind != DecodeKind::step) cost_ = cost_ == Seconds::zero() ? took : 0.7 * cost_ + 0.3 * took;
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
    utterance->next_step_at = std::max(utterance->start + samples_in(result.next_step_at), utterance->fed_to + 1);
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
    const auto blank = heard.trailing_blank;
    if (heard.text.empty()) {
        const auto again = std::uint64_t{samples_in(kHeardAgain)};
        if (blank < options_.endpointing->blank_without_words || utterance.fed_to < utterance.start + 2 * again) return;
        open_->start = utterance.fed_to - again;
        feed_anew(*open_);
        trim_history();
        return;
    }
    const bool is_long = seconds_of(utterance.fed_to - utterance.start) > options_.max_utterance / 2;
    if (blank < options_.endpointing->blank_after_words && !(is_long && blank >= kGoodPause)) return;
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
        utterance->sure_of_language = is_sure_of_language(*result, samples_in(result->duration));
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

}  // namespace hotmic
