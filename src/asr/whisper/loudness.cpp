#include "asr/whisper/loudness.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <ranges>
#include <vector>

#include "hotmic/audio.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic::whisper {
namespace {

constexpr std::size_t kFrame = kSampleRate / 100;
constexpr Seconds kFrameLength(0.01);
/// Quiet is what is near the quietest tenth, and far below the loudest.
constexpr float kOverFloor = 2.5F;
constexpr float kUnderPeak = 0.03F;
constexpr double kFloorShare = 0.1;

}  // namespace

Loudness::Loudness(AudioView audio) {
    for (std::size_t at = 0; at + kFrame <= audio.size(); at += kFrame) {
        float sum = 0;
        for (const float sample : audio.subspan(at, kFrame)) sum += sample * sample;
        levels_.push_back(std::sqrt(sum / kFrame));
    }
    if (levels_.empty()) return;
    auto sorted = levels_;
    std::ranges::sort(sorted);
    const float floor = sorted[static_cast<std::size_t>(kFloorShare * static_cast<double>(sorted.size()))];
    const float peak = sorted[sorted.size() - 1 - sorted.size() / 50];
    threshold_ = std::min(std::max(floor * kOverFloor, peak * kUnderPeak), peak * 0.2F);
}

std::size_t Loudness::frame_of(Seconds time) const {
    return std::min(levels_.size(), static_cast<std::size_t>(std::max(0.0, time / kFrameLength + 1e-6)));
}

Seconds Loudness::sound_begins(Seconds from, Seconds to) const {
    for (auto frame = frame_of(from); frame < frame_of(to); ++frame)
        if (!quiet(frame)) return std::max(from, static_cast<double>(frame) * kFrameLength);
    return to;
}

Seconds Loudness::sound_ends(Seconds from, Seconds to) const {
    for (auto frame = frame_of(to); frame > frame_of(from); --frame)
        if (!quiet(frame - 1)) return std::min(to, static_cast<double>(frame) * kFrameLength);
    return from;
}

Seconds settle_words(std::vector<Word>& words, const Loudness& loudness, Seconds earliest, Seconds length) {
    constexpr Seconds kShortestWord(0.02);
    auto last = earliest;
    for (auto& word : words) {
        // A path through a pause meets the next word at either of its ends; the sound says which.
        word.start = std::max(word.start, last);
        word.end = std::max(word.end, word.start);
        const auto begins = loudness.sound_begins(word.start, word.end);
        if (begins < word.end) word.start = begins;
        word.end = std::max(loudness.sound_ends(word.start, word.end), word.start + kShortestWord);
        last = word.end;
    }
    // Those that crowd at the end of the window go back as far as they have to.
    auto latest = std::max(length, earliest);
    for (auto& word : words | std::views::reverse) {
        word.end = std::min(word.end, latest);
        word.start = std::max(earliest, std::min(word.start, word.end - kShortestWord));
        latest = word.start;
    }
    return words.empty() ? earliest : words.back().end;
}

void settle_segment(Segment& segment, const Loudness& loudness) {
    const auto& words = segment.words;
    const auto start = words.empty() ? loudness.sound_begins(segment.start, segment.end) : words.front().start;
    const auto end = words.empty() ? loudness.sound_ends(start, segment.end) : words.back().end;
    if (start >= end) return;
    segment.start = start;
    segment.end = end;
}

}  // namespace hotmic::whisper
