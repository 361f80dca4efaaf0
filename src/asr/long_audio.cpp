#include "asr/long_audio.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asr/channels.hpp"
#include "asr/coverage.hpp"
#include "asr/languages.hpp"
#include "asr/unspoken.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "system/mutex.hpp"

namespace hotmic {
namespace {

void shift(Segment& segment, Seconds by) {
    segment.start += by;
    segment.end += by;
    for (auto& word : segment.words) {
        word.start += by;
        word.end += by;
    }
}

/// A guess that is less sure, or from less audio, is not kept.
constexpr double kSureLanguage = 0.5;
constexpr std::size_t kEnoughForLanguage = 2 * kSampleRate;
/// A pause after which somebody else may speak, another language.
constexpr std::size_t kNewSpeaker = 2 * kSampleRate;
/// Stretches that are heard again in one window.
constexpr int kMostAgain = 6;
/// Heard around such a stretch.
constexpr std::size_t kAround = kSampleRate / 5;

void append_text(std::string& text, const std::string& more, std::string_view language) {
    if (!text.empty() && !more.empty() && has_spaces(language)) text += ' ';
    text += more;
}

class PauseCutter final : public WindowCutter {
public:
    PauseCutter(Seconds window, Seconds search)
        : window_(samples_in(window)), search_(samples_in(std::min(search, window / 2))) {}

    Result<std::optional<AudioWindow>> next(AudioSource& source, const std::stop_token&) override {
        const auto held = held_.size();
        held_.resize(window_);
        const auto got = source.read(std::span(held_).subspan(held));
        if (!got) return std::unexpected(got.error());
        held_.resize(held + *got);
        if (held_.empty()) return std::nullopt;
        const auto length = held_.size() < window_ ? held_.size() : best_pause(held_, window_ - search_);
        const auto cut = held_.begin() + static_cast<std::ptrdiff_t>(length);
        AudioWindow window{Samples(done_), {held_.begin(), cut}};
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

bool is_sure_of_language(const Transcript& heard, std::size_t samples) {
    return heard.language_probability == 0 ||
           (heard.language_probability >= kSureLanguage && samples >= kEnoughForLanguage);
}

Result<std::size_t> CountingSource::read(std::span<float> out) {
    auto got = inner_.read(out);
    if (got) samples_.fetch_add(*got, std::memory_order_relaxed);
    return got;
}

std::unique_ptr<WindowCutter> make_pause_cutter(Seconds window, Seconds search) {
    return std::make_unique<PauseCutter>(window, search);
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
      cutter_(cutter ? std::move(cutter) : make_pause_cutter()),
      map_(dynamic_cast<const SpeechMap*>(cutter_.get())) {
    if (options_.language == "auto") options_.language.clear();
    if (options_.language.empty() && options_.languages.size() == 1) options_.language = options_.languages.front();
    detects_ = options_.language.empty();
}

Result<bool> LongTranscription::step(Recognizer& recognizer, const std::stop_token& stop) {
    if (options_.step.stream != 0) return take_step(recognizer, stop);
    Lock lock(mutex_);
    bool mine = false;  // has been recognized
    while (true) {
        if (!mine && stop.stop_requested() && !error_)
            error_ = Error{ErrorCode::cancelled, "the request was cancelled"};
        // Read here, so that nobody waits for a slot only to learn that there was nothing left.
        if (!error_)
            if (auto read = read_next(stop); !read) error_ = std::move(read).error();
        const bool others = taken_ > appended_ + parts_.size();
        if (error_) {
            update_wants_help();  // nobody is to look for a window again and again meanwhile
            if (!others) return std::unexpected(*error_);
            changed_.wait(lock);
            continue;
        }
        if (!next_ && !others) return true;
        if (mine && next_) return false;
        auto task = take_task();
        update_wants_help();
        if (!task) {
            changed_.wait(lock);
            continue;
        }
        lock.unlock();
        auto part = recognize(*task, recognizer, stop);
        lock.lock();
        put(*task, std::move(part));
        mine = true;
    }
}

/// A step of a stream is no recording: it is not cut, and may be empty.
Result<bool> LongTranscription::take_step(Recognizer& recognizer, const std::stop_token& stop) {
    const auto audio = read_all(source_);
    if (!audio) return std::unexpected(audio.error());
    auto heard = recognizer.transcribe(*audio, options_, sink_, stop);
    if (!heard) return std::unexpected(std::move(heard).error());
    const Lock lock(mutex_);
    whole_ = *std::move(heard);
    done_ = audio->size();
    return true;
}

void LongTranscription::help(Recognizer& recognizer, const std::stop_token& stop) {
    Lock lock(mutex_);
    if (error_ || !begun_) return;
    if (auto read = read_next(stop); !read) error_ = std::move(read).error();
    auto task = error_ ? std::nullopt : take_task();
    update_wants_help();
    changed_.notify_all();
    if (!task) return;
    lock.unlock();
    auto part = recognize(*task, recognizer, stop);
    lock.lock();
    put(*task, std::move(part));
}

/// Cuts the next window, unless there is one.
Result<void> LongTranscription::read_next(const std::stop_token& stop) {
    if (next_ || ended_) return {};
    auto window = cutter_->next(source_, stop);
    if (!window) return std::unexpected(std::move(window).error());
    if (!std::exchange(begun_, true) && source_.samples() == 0) {
        return fail(ErrorCode::audio_empty, "the audio has no samples", "send a recording that is longer than 0 s",
                    "file");
    }
    next_ = *std::move(window);
    ended_ = !next_;
    next_speech_ = next_ && map_ != nullptr ? map_->speech_in_last() : std::vector<SampleRange>{};
    return {};
}

/// After a pause somebody else may speak.
bool LongTranscription::begins_anew(const AudioWindow& window) const {
    return detects_ && samples_in(window.start) > taken_end_ + kNewSpeaker &&
           window.samples.size() >= kEnoughForLanguage;
}

/// What is asked for it does not hang on windows that are not done: in which language, above all.
bool LongTranscription::may_be_taken() const {
    return next_ && (!detects_ || detecting_ == 0 || begins_anew(*next_));
}

std::optional<LongTranscription::Task> LongTranscription::take_task() {
    if (!may_be_taken()) return std::nullopt;
    Task task{.index = taken_++,
              .window = *std::exchange(next_, std::nullopt),
              .speech = std::exchange(next_speech_, {}),
              .options = options_};
    if (detects_ && !begins_anew(task.window)) task.options.language = kept_language_;
    if (detects_ && task.options.language.empty()) ++detecting_;
    if (!kept_language_.empty()) task.options.language_before = kept_language_;
    taken_end_ = samples_in(task.window.start) + task.window.samples.size();
    // Where speech may be missing between segments, none is told before that is known; and none before its time.
    task.tells = task.speech.empty() && task.index == appended_;
    return task;
}

void LongTranscription::update_wants_help() {
    wants_help_ = begun_ && !ended_ && !error_ && (!next_ || may_be_taken());
}

/// Takes what became of a task; tells what has no gap before it.
void LongTranscription::put(const Task& task, Result<Part> part) {
    if (part) {
        parts_.emplace(task.index, *std::move(part));
    } else {
        ++appended_;  // nothing will come of it
        if (!error_) error_ = std::move(part).error();
    }
    while (!error_ && parts_.contains(appended_)) append(std::move(parts_.extract(appended_).mapped()));
    update_wants_help();
    changed_.notify_all();
}

Result<LongTranscription::Part> LongTranscription::recognize(const Task& task, Recognizer& recognizer,
                                                             const std::stop_token& stop) const {
    const auto& window = task.window;
    auto heard = hear(window.samples, samples_in(window.start), task.options, task.tells, recognizer, stop);
    if (!heard) return std::unexpected(std::move(heard).error());
    Part part{.transcript = *std::move(heard),
              .samples = window.samples.size(),
              .end = samples_in(window.start) + window.samples.size(),
              .told = task.tells,
              .detected = detects_ && task.options.language.empty()};
    if (!task.speech.empty()) {
        auto lost = cover(task, part.transcript, recognizer, stop);
        if (!lost) return std::unexpected(std::move(lost).error());
        part.uncovered = *lost;
        for (auto& segment : part.transcript.segments) fit_to_speech(segment, task.speech);
    }
    return part;
}

/// What the recognizer makes of a stretch, in time of the recording and without what nobody said.
Result<Transcript> LongTranscription::hear(AudioView samples, std::size_t start, const TranscribeOptions& options,
                                           bool tell, Recognizer& recognizer, const std::stop_token& stop) const {
    const auto offset = seconds_of(start);
    const auto on_segment = [&](const Segment& heard) {
        Segment segment = heard;
        if (!keep_speech(segment, options_.tag_audio_events)) return;
        shift(segment, offset);
        sink_(segment);
    };
    auto part = recognizer.transcribe(samples, options, tell && sink_ ? SegmentSink(on_segment) : SegmentSink{}, stop);
    if (!part) return part;
    bool changed = false;
    std::erase_if(part->segments, [&](Segment& segment) {
        const auto before = segment.text;
        const bool kept = keep_speech(segment, options_.tag_audio_events);
        changed = changed || !kept || segment.text != before;
        shift(segment, offset);
        return !kept;
    });
    if (changed) part->text = text_of(part->segments, part->language);
    return part;
}

/// Recognizes speech again that no segment covers. Gives how much is left even then.
Result<Seconds> LongTranscription::cover(const Task& task, Transcript& part, Recognizer& recognizer,
                                         const std::stop_token& stop) const {
    const auto& window = task.window;
    const auto window_begin = samples_in(window.start);
    auto options = task.options;
    if (detects_) options.language = part.language;
    std::vector<std::size_t> heard_again;
    bool changed = false;
    for (int tries = 0; tries < kMostAgain; ++tries) {
        const auto gaps = uncovered(task.speech, part.segments);
        const auto gap = std::ranges::find_if(
            gaps, [&](const auto& each) { return !std::ranges::contains(heard_again, each.begin); });
        if (gap == gaps.end()) break;
        heard_again.push_back(gap->begin);
        const auto begin = std::max(window_begin + kAround, gap->begin) - kAround;
        const auto end = std::min(window_begin + window.samples.size(), gap->end + kAround);
        const auto stretch = AudioView(window.samples).subspan(begin - window_begin, end - begin);
        auto more = hear(stretch, begin, options, false, recognizer, stop);
        if (!more) return std::unexpected(std::move(more).error());
        for (const auto& [event, count] : more->counters) part.counters[event] += count;
        const auto behind = std::ranges::find_if(
            part.segments, [&](const Segment& segment) { return segment.start >= seconds_of(gap->begin); });
        // An engine whose times end early has heard it all the same.
        const bool known = (behind != part.segments.begin() && is_repetition(std::prev(behind)->text, more->text));
        if (known) {
            std::prev(behind)->end = std::max(std::prev(behind)->end, seconds_of(gap->end));
            continue;
        }
        changed = changed || !more->segments.empty();
        part.segments.insert(behind, std::make_move_iterator(more->segments.begin()),
                             std::make_move_iterator(more->segments.end()));
    }
    if (!heard_again.empty()) part.counters["covered_again"] += static_cast<int>(heard_again.size());
    if (changed) part.text = text_of(part.segments, part.language);
    Seconds lost{};
    for (const auto& left : uncovered(task.speech, part.segments)) {
        for (const auto& spoken : task.speech) {
            const auto from = std::max(left.begin, spoken.begin);
            const auto until = std::min(left.end, spoken.end);
            if (from < until) lost += seconds_of(until - from);
        }
    }
    if (lost > Seconds::zero()) {
        spdlog::warn("uncovered_s={:.1f} window_start_s={:.1f}: speech for which the model gave no text, twice",
                     lost.count(), Seconds(window.start).count());
    }
    return lost;
}

void LongTranscription::note_language(const Transcript& part, std::size_t samples) {
    const bool spoken = !part.segments.empty();
    if (whole_.language.empty()) {
        whole_.language = part.language;
        whole_.language_probability = part.language_probability;
    }
    if (!spoken || part.language.empty()) return;
    auto& all = languages_[part.language];
    all += seconds_of(samples);
    // The language of the recording is the one that is spoken for longest.
    const auto most = std::ranges::max_element(languages_, {}, [](const auto& each) { return each.second; });
    if (most->first == part.language && (whole_.language != part.language || languages_.size() == 1)) {
        whole_.language = part.language;
        if (part.language_probability > 0) whole_.language_probability = part.language_probability;
    }
    if (detects_ && is_sure_of_language(part, samples)) kept_language_ = part.language;
}

void LongTranscription::append(Part part) {
    auto& transcript = part.transcript;
    if (part.detected) --detecting_;
    if (part.detected && transcript.language_probability > 0)
        whole_.detections.push_back({transcript.language, transcript.language_probability});
    note_language(transcript, part.samples);
    append_text(whole_.text, transcript.text, transcript.language);
    for (const auto& [event, count] : transcript.counters) whole_.counters[event] += count;
    whole_.uncovered += part.uncovered;
    for (auto& segment : transcript.segments) {
        if (sink_ && !part.told) sink_(segment);
        whole_.segments.push_back(std::move(segment));
    }
    done_ = part.end;
    ++appended_;
}

Transcript LongTranscription::take() {
    const Lock lock(mutex_);
    if (options_.step.stream == 0) whole_.duration = read();
    if (whole_.language.empty()) whole_.language = options_.language;
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
