#include "speech/speech_cutter.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <utility>
#include <vector>

#include "asr/coverage.hpp"
#include "asr/long_audio.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "hotmic/voice.hpp"
#include "speech/endpointer.hpp"
#include "speech/level.hpp"
#include "speech/speech_finder.hpp"

namespace hotmic {
namespace {

/// Nobody says anything in less.
constexpr Seconds kShortest(0.2);

class SpeechCutter final : public WindowCutter, public SpeechMap {
public:
    struct Rules {
        std::uint64_t history = 0;  ///< samples that may turn out to be speech
        Seconds longest{};
        bool tells_speech = false;  ///< the detector can be trusted that far
        Seconds short_recording{};  ///< a recording that is no longer is heard even where nothing is found
    };
    SpeechCutter(SpeechFinder finder, const Rules& rules)
        : finder_(std::move(finder)), rules_(rules), longest_(samples_in(rules.longest)) {}

    Result<std::optional<AudioWindow>> next(AudioSource& source, const std::stop_token& stop) override {
        while (!ended_) {
            // Silence may go on for hours.
            if (stop.stop_requested()) return fail(ErrorCode::cancelled, "the request was cancelled");
            const auto before = audio_.size();
            audio_.resize(before + VoiceDetector::kFrameSamples);
            const auto frame = std::span(audio_).subspan(before);
            const auto got = source.read(frame);
            if (!got) return std::unexpected(got.error());
            if (*got < frame.size()) {
                audio_.resize(before + *got);
                ended_ = true;
                break;
            }
            const auto edge = finder_.take(frame);
            if (edge.voice) note_voice();
            if (edge.change == Endpointer::Change::started) open_ = std::max({edge.at, last_end_, base_});
            if (edge.change == Endpointer::Change::stopped && open_)
                return cut(std::clamp(edge.at, *open_, received()), false);
            if (open_ && received() - *open_ > longest_) {
                const auto spoken = AudioView(audio_).subspan(*open_ - base_, longest_);
                return cut(*open_ + best_pause(spoken, spoken.size() / 2), true);
            }
            forget();
        }
        if (open_) return cut(received(), false);
        return std::exchange(any_, true) ? std::nullopt : all_if_short();
    }

    [[nodiscard]] std::vector<SampleRange> speech_in_last() const override { return last_; }

private:
    [[nodiscard]] std::uint64_t received() const { return base_ + audio_.size(); }

    /// A short recording in which the detector found nothing, if there is anything in it.
    std::optional<AudioWindow> all_if_short() {
        const auto length = seconds_of(audio_.size());
        if (base_ > 0 || length < kShortest || length > rules_.short_recording || is_silent(audio_))
            return std::nullopt;
        return AudioWindow{.samples = std::move(audio_)};
    }

    /// The last frame holds a voice. Pauses within words are none.
    void note_voice() {
        constexpr std::uint64_t kWithin = kSampleRate * 3 / 10;
        const auto begin = received() - VoiceDetector::kFrameSamples;
        if (!voices_.empty() && begin <= voices_.back().end + kWithin)
            voices_.back().end = received();
        else
            voices_.push_back({begin, received()});
    }

    /// The voices up to there, which are taken off the list.
    std::vector<SampleRange> take_voices(std::uint64_t from, std::uint64_t until) {
        std::vector<SampleRange> taken;
        for (auto& voice : voices_) {
            const auto begin = std::max<std::uint64_t>(voice.begin, from);
            const auto end = std::min<std::uint64_t>(voice.end, until);
            if (begin < end) taken.push_back({begin, end});
            voice.begin = std::max<std::uint64_t>(voice.begin, until);
        }
        std::erase_if(voices_, [](const SampleRange& voice) { return voice.begin >= voice.end; });
        return taken;
    }

    /// The open utterance up to there; what follows is its next part, where `goes_on`.
    AudioWindow cut(std::uint64_t end, bool goes_on) {
        const auto spoken = AudioView(audio_).subspan(*open_ - base_, end - *open_);
        AudioWindow window{Samples(*open_), {spoken.begin(), spoken.end()}};
        auto voices = take_voices(*open_, end);
        if (rules_.tells_speech) last_ = std::move(voices);
        any_ = true;
        last_end_ = end;
        open_ = goes_on ? std::optional(end) : std::nullopt;
        forget();
        return window;
    }

    void forget() {
        const auto needed = open_ ? *open_ : received() - std::min(received(), rules_.history);
        if (needed < base_ + kSampleRate) return;  // not for every few samples
        // A short recording may be heard whole after all.
        if (!any_ && seconds_of(received()) <= rules_.short_recording) return;
        audio_.erase(audio_.begin(), audio_.begin() + static_cast<std::ptrdiff_t>(needed - base_));
        base_ = needed;
        std::erase_if(voices_, [this](const SampleRange& voice) { return voice.end <= base_; });
    }

    SpeechFinder finder_;
    const Rules rules_;
    const std::uint64_t longest_;
    std::vector<float> audio_;  // from sample `base_` on
    std::uint64_t base_ = 0;
    std::uint64_t last_end_ = 0;
    std::optional<std::uint64_t> open_;  // where the utterance began
    std::vector<SampleRange> voices_;    // in no window yet
    std::vector<SampleRange> last_;      // of the last window
    bool any_ = false;                   // utterance was found
    bool ended_ = false;
};

Result<std::unique_ptr<WindowCutter>> make(const Endpointing& endpointing, SpeechCutter::Rules rules) {
    auto finder = SpeechFinder::open(endpointing);
    if (!finder) return std::unexpected(std::move(finder).error());
    rules.history = SpeechFinder::history(endpointing);
    rules.tells_speech = endpointing.vad_model != nullptr;
    return std::make_unique<SpeechCutter>(*std::move(finder), rules);
}

}  // namespace

Result<std::unique_ptr<WindowCutter>> make_speech_cutter(const Endpointing& endpointing, Seconds longest) {
    return make(endpointing, {.longest = longest});
}

Result<std::unique_ptr<WindowCutter>> make_file_cutter(std::shared_ptr<const VadModel> vad_model) {
    using std::chrono::milliseconds;
    if (vad_model) {
        return make({.threshold = 0.5,
                     .prefix = milliseconds(250),
                     .silence = milliseconds(800),
                     .vad_model = std::move(vad_model)},
                    {.longest = kLongestWindow});
    }
    return make({.threshold = 0, .prefix = milliseconds(1000), .silence = milliseconds(3000)},
                {.longest = kLongestWindow, .short_recording = Seconds(3)});
}

}  // namespace hotmic
