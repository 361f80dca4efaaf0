#include "asr/coverage.hpp"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic {
namespace {

constexpr std::size_t kLeast = kSampleRate * 12 / 10;
/// Engines are that much off where words begin and end, in samples.
constexpr std::size_t kSlack = kSampleRate * 3 / 10;
/// Heard around speech in a cue.
constexpr Seconds kAround(0.15);

std::size_t samples_at(Seconds time) {
    return samples_in(std::max(time, Seconds{}));
}

/// Letters, digits and what is not ASCII, in lower case, with one space between words.
std::string folded(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x80 || std::isalnum(byte) != 0)
            out += static_cast<char>(std::tolower(byte));
        else if (std::isspace(byte) != 0 && !out.empty() && out.back() != ' ')
            out += ' ';
    }
    while (out.ends_with(' ')) out.pop_back();
    return out;
}

}  // namespace

std::vector<SampleRange> uncovered(std::span<const SampleRange> speech, std::span<const Segment> segments) {
    std::vector<SampleRange> left(speech.begin(), speech.end());
    for (const auto& segment : segments) {
        const auto begin = samples_at(segment.start) - std::min(samples_at(segment.start), kSlack);
        const auto end = samples_at(segment.end) + kSlack;
        std::vector<SampleRange> next;
        for (const auto& range : left) {
            if (range.begin < std::min(range.end, begin)) next.push_back({range.begin, std::min(range.end, begin)});
            if (std::max(range.begin, end) < range.end) next.push_back({std::max(range.begin, end), range.end});
        }
        left = std::move(next);
    }
    // Speech with pauses between: what lies between the same two segments is heard again at once.
    std::vector<SampleRange> stretches;
    std::size_t spoken = 0;
    const auto end_stretch = [&] {
        if (!stretches.empty() && spoken < kLeast) stretches.pop_back();
        spoken = 0;
    };
    for (const auto& range : left) {
        const bool goes_on =
            spoken > 0 && std::ranges::none_of(segments, [&](const Segment& segment) {
                return samples_at(segment.end) > stretches.back().end && samples_at(segment.start) < range.begin;
            });
        if (goes_on) {
            stretches.back().end = range.end;
        } else {
            end_stretch();
            stretches.push_back(range);
        }
        spoken += range.end - range.begin;
    }
    end_stretch();
    return stretches;
}

bool is_repetition(std::string_view before, std::string_view text) {
    const auto end = folded(text);
    return !end.empty() && folded(before).ends_with(end);
}

void fit_to_speech(Segment& segment, std::span<const SampleRange> speech) {
    auto start = segment.end;
    auto end = segment.start;
    for (const auto& range : speech) {
        const auto from = seconds_of(range.begin) - kAround;
        const auto until = seconds_of(range.end) + kAround;
        if (until <= segment.start || from >= segment.end) continue;
        start = std::min(start, std::max(segment.start, from));
        end = std::max(end, std::min(segment.end, until));
    }
    if (start >= end) return;  // no speech in it, as the detector sees it
    segment.start = start;
    segment.end = end;
    for (auto& word : segment.words) {
        word.start = std::clamp(word.start, start, end);
        word.end = std::clamp(word.end, word.start, end);
    }
}

}  // namespace hotmic
