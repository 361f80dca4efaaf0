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

Result<Transcript> transcribe_source(Recognizer& recognizer, AudioSource& source, const TranscribeOptions& options,
                                     const SegmentSink& sink, std::stop_token stop,
                                     const LongAudioOptions& long_audio) {
    const auto window = static_cast<std::size_t>(long_audio.window_seconds * kSampleRate);
    const auto search =
        static_cast<std::size_t>(std::min(long_audio.search_seconds, long_audio.window_seconds / 2) * kSampleRate);

    Transcript whole;
    TranscribeOptions now = options;
    std::vector<float> buffer;
    bool language_known = false;
    std::size_t done = 0;
    while (true) {
        if (stop.stop_requested()) return fail(ErrorCode::cancelled, "the request was cancelled");
        const auto held = buffer.size();
        buffer.resize(window);
        const auto got = source.read(std::span(buffer).subspan(held));
        if (!got) return std::unexpected(got.error());
        buffer.resize(held + *got);
        const bool last = buffer.size() < window;
        if (buffer.empty()) break;

        const auto length = last ? buffer.size() : best_pause(buffer, window - search);
        const double offset = seconds_of(done);
        const auto shifted_sink = [&](const Segment& segment) {
            Segment shifted = segment;
            shift(shifted, offset);
            sink(shifted);
        };
        auto part = recognizer.transcribe(AudioView(buffer).first(length), now,
                                          sink ? SegmentSink(shifted_sink) : SegmentSink{}, stop);
        if (!part) return part;

        const auto segments_before = whole.segments.size();
        append_text(whole.text, part->text, part->language);
        for (auto& segment : part->segments) {
            shift(segment, offset);
            whole.segments.push_back(std::move(segment));
        }
        // The language of the recording is that of its first speech: a window of silence or music says nothing of it.
        const bool spoken = whole.segments.size() > segments_before;
        if (!language_known && (spoken || whole.language.empty())) {
            whole.language = part->language;
            whole.language_probability = part->language_probability;
        }
        if (!language_known && spoken && !part->language.empty()) {
            now.language = part->language;
            language_known = true;
        }
        done += length;
        if (long_audio.on_progress) long_audio.on_progress(seconds_of(done));
        if (last) break;
        buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(length));
    }
    if (done == 0)
        return fail(ErrorCode::audio_empty, "the audio has no samples", "send a recording that is longer than 0 s",
                    "file");
    whole.duration = seconds_of(done);
    return whole;
}

}  // namespace hotmic
