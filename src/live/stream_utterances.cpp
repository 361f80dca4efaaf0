/// What of a stream's audio belongs to which utterance, and what of it is kept.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "asr/long_audio.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/live_stream.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"
#include "hotmic/voice.hpp"
#include "live/live_stream_impl.hpp"
#include "speech/endpointer.hpp"
#include "speech/speech_finder.hpp"

namespace hotmic {

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
    const auto longest = samples_in(options_.max_utterance);
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
    auto needed = options_.endpointing ? detected_ - std::min(detected_, SpeechFinder::history(*options_.endpointing))
                                       : received();
    if (open_) needed = std::min(needed, open_->start);
    if (needed < base_ + kSampleRate) return;  // not for every few samples
    audio_.erase(audio_.begin(), audio_.begin() + static_cast<std::ptrdiff_t>(needed - base_));
    base_ = needed;
}

void LiveStream::Impl::drop_excess() {
    while (backlog() > options_.max_backlog) {
        // The one that is being decoded is as good as done.
        const auto oldest = over_.begin() + (decoding_ ? 1 : 0);
        if (oldest >= over_.end()) return;
        const auto utterance = std::move(*oldest);
        over_.erase(oldest);
        counts_.dropped += seconds_of(utterance->audio.size());
        spdlog::warn("stream={} dropped_s={:.1f} backlog_s={:.1f}", options_.id,
                     seconds_of(utterance->audio.size()).count(), backlog().count());
        tell(LiveEvent::Kind::dropped, *utterance);
    }
}

std::vector<float> LiveStream::Impl::samples(std::uint64_t from, std::uint64_t to) const {
    const auto view = AudioView(audio_).subspan(from - base_, to - from);
    return {view.begin(), view.end()};
}

Seconds LiveStream::Impl::backlog() const {
    std::size_t samples = 0;
    for (const auto& utterance : over_) samples += utterance->audio.size();
    return seconds_of(samples);
}

}  // namespace hotmic
