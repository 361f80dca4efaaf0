#include "live/voice_cutter.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "asr/long_audio.hpp"
#include "live/speech_finder.hpp"

namespace hotmic {
namespace {

class VoiceCutter final : public WindowCutter {
public:
    VoiceCutter(SpeechFinder finder, std::uint64_t history, double max_seconds)
        : finder_(std::move(finder)),
          history_(history),
          longest_(static_cast<std::uint64_t>(max_seconds * kSampleRate)) {}

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
        return std::nullopt;
    }

private:
    [[nodiscard]] std::uint64_t received() const { return base_ + audio_.size(); }

    /// The open utterance up to there; what follows is its next part, where `goes_on`.
    AudioWindow cut(std::uint64_t end, bool goes_on) {
        const auto spoken = AudioView(audio_).subspan(*open_ - base_, end - *open_);
        AudioWindow window{*open_, {spoken.begin(), spoken.end()}};
        last_end_ = end;
        open_ = goes_on ? std::optional(end) : std::nullopt;
        forget();
        return window;
    }

    void forget() {
        const auto needed = open_ ? *open_ : received() - std::min(received(), history_);
        if (needed < base_ + kSampleRate) return;  // not for every few samples
        audio_.erase(audio_.begin(), audio_.begin() + static_cast<std::ptrdiff_t>(needed - base_));
        base_ = needed;
    }

    SpeechFinder finder_;
    const std::uint64_t history_;
    const std::uint64_t longest_;
    std::vector<float> audio_;  // from sample `base_` on
    std::uint64_t base_ = 0;
    std::uint64_t last_end_ = 0;
    std::optional<std::uint64_t> open_;  // where the utterance began
    bool ended_ = false;
};

}  // namespace

Result<std::unique_ptr<WindowCutter>> make_voice_cutter(const Endpointing& endpointing, double max_seconds) {
    auto finder = SpeechFinder::open(endpointing);
    if (!finder) return std::unexpected(std::move(finder).error());
    return std::make_unique<VoiceCutter>(*std::move(finder), SpeechFinder::history(endpointing), max_seconds);
}

}  // namespace hotmic
