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

}  // namespace

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
                                     LongAudioOptions limits)
    : source_(source), options_(std::move(options)), sink_(std::move(sink)), limits_(std::move(limits)) {}

Result<bool> LongTranscription::step(Recognizer& recognizer, const std::stop_token& stop) {
    const auto window = static_cast<std::size_t>(limits_.window_seconds * kSampleRate);
    const auto search =
        static_cast<std::size_t>(std::min(limits_.search_seconds, limits_.window_seconds / 2) * kSampleRate);

    if (stop.stop_requested()) return fail(ErrorCode::cancelled, "the request was cancelled");
    const auto held = window_.size();
    window_.resize(window);
    const auto got = source_.read(std::span(window_).subspan(held));
    if (!got) return std::unexpected(got.error());
    window_.resize(held + *got);
    const bool last = window_.size() < window;
    if (!window_.empty()) {
        const auto length = last ? window_.size() : best_pause(window_, window - search);
        const double offset = seconds_of(done_);
        const auto shifted_sink = [&](const Segment& segment) {
            Segment shifted = segment;
            shift(shifted, offset);
            sink_(shifted);
        };
        auto part = recognizer.transcribe(AudioView(window_).first(length), options_,
                                          sink_ ? SegmentSink(shifted_sink) : SegmentSink{}, stop);
        if (!part) return std::unexpected(std::move(part).error());
        append(*std::move(part), offset);
        done_ += length;
        if (limits_.on_progress) limits_.on_progress(seconds_of(done_));
        window_.erase(window_.begin(), window_.begin() + static_cast<std::ptrdiff_t>(length));
    }
    if (last && done_ == 0) {
        return fail(ErrorCode::audio_empty, "the audio has no samples", "send a recording that is longer than 0 s",
                    "file");
    }
    return last;
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
    whole_.duration = seconds_of(done_);
    return std::move(whole_);
}

Result<Transcript> transcribe_source(Recognizer& recognizer, AudioSource& source, const TranscribeOptions& options,
                                     const SegmentSink& sink, const std::stop_token& stop,
                                     const LongAudioOptions& limits) {
    LongTranscription transcription(source, options, sink, limits);
    while (true) {
        const auto last = transcription.step(recognizer, stop);
        if (!last) return std::unexpected(last.error());
        if (*last) return transcription.take();
    }
}

}  // namespace hotmic
