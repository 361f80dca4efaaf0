#include "asr/long_audio.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "asr/languages.hpp"

namespace hotmic {
namespace {

void shift(Segment& segment, double seconds) {
    segment.start += seconds;
    segment.end += seconds;
    for (auto& word : segment.words) {
        word.start += seconds;
        word.end += seconds;
    }
}

void append_text(std::string& text, const std::string& more, std::string_view language) {
    if (!text.empty() && !more.empty() && has_spaces(language)) text += ' ';
    text += more;
}

class PauseCutter final : public WindowCutter {
public:
    PauseCutter(double window_seconds, double search_seconds)
        : window_(static_cast<std::size_t>(window_seconds * kSampleRate)),
          search_(static_cast<std::size_t>(std::min(search_seconds, window_seconds / 2) * kSampleRate)) {}

    Result<std::optional<AudioWindow>> next(AudioSource& source, const std::stop_token&) override {
        const auto held = held_.size();
        held_.resize(window_);
        const auto got = source.read(std::span(held_).subspan(held));
        if (!got) return std::unexpected(got.error());
        held_.resize(held + *got);
        if (held_.empty()) return std::nullopt;
        const auto length = held_.size() < window_ ? held_.size() : best_pause(held_, window_ - search_);
        const auto cut = held_.begin() + static_cast<std::ptrdiff_t>(length);
        AudioWindow window{done_, {held_.begin(), cut}};
        held_.erase(held_.begin(), cut);
        done_ += length;
        return window;
    }

private:
    const std::size_t window_;
    const std::size_t search_;
    std::vector<float> held_;  // read, and in no window yet
    std::size_t done_ = 0;     // samples
};

}  // namespace

Result<std::size_t> CountingSource::read(std::span<float> out) {
    auto got = inner_.read(out);
    if (got) samples_ += *got;
    return got;
}

std::unique_ptr<WindowCutter> make_pause_cutter(double window_seconds, double search_seconds) {
    return std::make_unique<PauseCutter>(window_seconds, search_seconds);
}

std::size_t best_pause(AudioView audio, std::size_t from) {
    constexpr std::size_t kPause = kSampleRate / 5;
    constexpr std::size_t kStep = kPause / 8;
    if (audio.size() < from + kPause) return audio.size();
    // The sum over a sliding pause, from sums over its eighths.
    std::vector<double> steps;
    for (std::size_t at = from; at + kStep <= audio.size(); at += kStep) {
        double energy = 0;
        for (const float sample : audio.subspan(at, kStep)) energy += static_cast<double>(sample) * sample;
        steps.push_back(energy);
    }
    std::size_t best = 0;
    double least = HUGE_VAL;
    for (std::size_t i = 0; i + 8 <= steps.size(); ++i) {
        double energy = 0;
        for (std::size_t k = i; k < i + 8; ++k) energy += steps[k];
        if (energy <= least) {  // the last of equals: longer windows are better
            least = energy;
            best = i;
        }
    }
    return from + best * kStep + kPause / 2;
}

LongTranscription::LongTranscription(AudioSource& source, TranscribeOptions options, SegmentSink sink,
                                     std::unique_ptr<WindowCutter> cutter)
    : source_(source),
      options_(std::move(options)),
      sink_(std::move(sink)),
      cutter_(cutter ? std::move(cutter) : make_pause_cutter()) {}

Result<bool> LongTranscription::step(Recognizer& recognizer, const std::stop_token& stop) {
    if (stop.stop_requested()) return fail(ErrorCode::cancelled, "the request was cancelled");
    auto window = std::exchange(next_, {});
    if (!std::exchange(begun_, true)) {
        auto first = cutter_->next(source_, stop);
        if (!first) return std::unexpected(std::move(first).error());
        window = *std::move(first);
        if (source_.samples() == 0) {
            return fail(ErrorCode::audio_empty, "the audio has no samples", "send a recording that is longer than 0 s",
                        "file");
        }
    }
    if (!window) return true;
    if (auto heard = recognize(*window, recognizer, stop); !heard) return std::unexpected(std::move(heard).error());
    // Read here, so that nobody waits for a slot only to learn that there was nothing left.
    auto next = cutter_->next(source_, stop);
    if (!next) return std::unexpected(std::move(next).error());
    next_ = *std::move(next);
    return !next_;
}

Result<void> LongTranscription::recognize(const AudioWindow& window, Recognizer& recognizer,
                                          const std::stop_token& stop) {
    const double offset = seconds_of(window.start);
    const auto shifted_sink = [&](const Segment& segment) {
        Segment shifted = segment;
        shift(shifted, offset);
        sink_(shifted);
    };
    auto part =
        recognizer.transcribe(window.samples, options_, sink_ ? SegmentSink(shifted_sink) : SegmentSink{}, stop);
    if (!part) return std::unexpected(std::move(part).error());
    append(*std::move(part), offset);
    done_ = window.start + window.samples.size();
    return {};
}

void LongTranscription::append(Transcript part, double offset) {
    append_text(whole_.text, part.text, part.language);
    const bool spoken = !part.segments.empty();
    for (auto& segment : part.segments) {
        shift(segment, offset);
        whole_.segments.push_back(std::move(segment));
    }
    // The language of the recording is that of its first speech: a window of silence or music says nothing of it.
    if (language_known_ || (!spoken && !whole_.language.empty())) return;
    whole_.language = part.language;
    whole_.language_probability = part.language_probability;
    if (!spoken || part.language.empty()) return;
    options_.language = part.language;
    language_known_ = true;
}

Transcript LongTranscription::take() {
    whole_.duration = seconds();
    return std::move(whole_);
}

Result<Transcript> transcribe_source(Recognizer& recognizer, AudioSource& source, const TranscribeOptions& options,
                                     const SegmentSink& sink, const std::stop_token& stop,
                                     std::unique_ptr<WindowCutter> cutter) {
    LongTranscription transcription(source, options, sink, std::move(cutter));
    while (true) {
        const auto last = transcription.step(recognizer, stop);
        if (!last) return std::unexpected(last.error());
        if (*last) return transcription.take();
    }
}

}  // namespace hotmic
