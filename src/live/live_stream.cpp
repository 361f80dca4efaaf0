#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asr/languages.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/live_stream.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "live/live_stream_impl.hpp"
#include "speech/speech_finder.hpp"
#include "system/mutex.hpp"

namespace hotmic {
namespace {

std::string joined(std::span<const Word> words, std::string_view language) {
    std::string text;
    for (const auto& word : words) {
        if (!text.empty() && has_spaces(language)) text += ' ';
        text += word.text;
    }
    return text;
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
    const Lock first(owner_mutex_);
    std::vector<float> sound(samples.size());
    std::ranges::transform(samples, sound.begin(), [](float sample) { return std::isfinite(sample) ? sample : 0.0F; });
    const auto edges = find_speech(sound);  // the slow part: the hub and whoever asks for the status do not wait for it
    const Lock lock(mutex_);
    if (finished_ || ended_) return;
    std::ranges::copy(sound, std::back_inserter(audio_));
    counts_.received = seconds_of(received());
    if (finder_)
        apply(edges);
    else if (!open_ && !samples.empty())
        open_utterance(received() - samples.size());
    cut_if_long();
    if (open_) note_step_due(*open_);
    trim_history();
    drop_excess();
}

Seconds LiveStream::Impl::commit() {
    Seconds committed{};
    {
        const Lock first(owner_mutex_);
        const Lock lock(mutex_);
        if (!open_ || finished_ || ended_) return {};
        committed = seconds_of(received() - open_->start);
        close_utterance(received());
        if (finder_) finder_->reset();
        trim_history();
        drop_excess();
    }
    wake_({});
    return committed;
}

void LiveStream::Impl::clear() {
    const Lock first(owner_mutex_);
    const Lock lock(mutex_);
    open_.reset();
    if (finder_) finder_->reset();
    last_end_ = received();
    trim_history();
}

void LiveStream::Impl::finish() {
    {
        const Lock lock(mutex_);
        if (finished_ || ended_) return;
        if (open_) close_utterance(received());
        finished_ = true;
        end_if_done();
    }
    wake_({});
}

void LiveStream::Impl::cancel() {
    std::stop_source whole{std::nostopstate};
    {
        const Lock lock(mutex_);
        ended_ = true;
        lease_.reset();
        whole = stop_whole_;
    }
    stop_.request_stop();
    whole.request_stop();
}

LiveStreamStatus LiveStream::Impl::status() const {
    const Lock lock(mutex_);
    auto status = counts_;
    status.backlog = backlog();
    status.held = status.backlog + seconds_of(audio_.size());
    if (status.decodes > 0) status.mean_decode = status.decoding / static_cast<double>(status.decodes);
    return status;
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

// --- its model ---

void LiveStream::Impl::find_model(const std::string& gone) {
    {
        const Lock lock(mutex_);
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
        const Lock lock(mutex_);
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
    const Lock lock(mutex_);
    if (decoding_ != DecodeKind::whole) return false;
    stop_whole_.request_stop();
    return true;
}

int LiveStream::Impl::decodes() const {
    const Lock lock(mutex_);
    return (decoding_ ? 1 : 0) + (adding_ ? 1 : 0);
}

bool LiveStream::Impl::speaking() const {
    const Lock lock(mutex_);
    return open_ != nullptr || !over_.empty();
}

bool LiveStream::Impl::ended() const {
    const Lock lock(mutex_);
    return ended_;
}

std::string LiveStream::Impl::instance() const {
    const Lock lock(mutex_);
    return lease_ ? lease_->instance_id() : std::string{};
}

int LiveStream::Impl::room() const {
    const Lock lock(mutex_);
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
Seconds LiveStream::commit() {
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
