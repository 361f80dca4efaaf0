#include "asr/channels.hpp"

#include <algorithm>
#include <format>
#include <iterator>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asr/languages.hpp"
#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic {

Result<Channels> parse_channels(std::string_view name) {
    if (name == "mix") return Channels::mix;
    if (name == "separate") return Channels::separate;
    return fail(ErrorCode::invalid_request, std::format("channels is \"{}\"", name.substr(0, 100)),
                "give mix or separate", "channels");
}

std::string_view name_of(Channels channels) noexcept {
    return channels == Channels::mix ? "mix" : "separate";
}

Result<void> check_separate(int channels) {
    if (channels <= kMostSeparateChannels) return {};
    return fail(
        ErrorCode::invalid_request,
        std::format("the audio has {} channels; at most {} are heard separately", channels, kMostSeparateChannels),
        "send fewer channels, or channels=mix", "channels");
}

std::string text_of(std::span<const Segment> segments, std::string_view language) {
    std::string text;
    for (const auto& segment : segments) {
        const bool spaced = segment.text.empty() || segment.text.starts_with(' ') || !has_spaces(language);
        if (!text.empty() && !spaced) text += ' ';
        text += segment.text;
    }
    const auto first = text.find_first_not_of(' ');
    return first == text.npos ? std::string{} : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

Transcript joined(std::vector<Transcript> channels) {
    Transcript whole;
    std::map<std::string, Seconds> languages;  // how much speech in each
    for (int channel = 0; auto& part : channels) {
        whole.duration = std::max(whole.duration, part.duration);
        whole.uncovered += part.uncovered;
        for (const auto& [event, count] : part.counters) whole.counters[event] += count;
        std::ranges::move(part.detections, std::back_inserter(whole.detections));
        Seconds spoken{};
        for (auto& segment : part.segments) {
            segment.channel = channel;
            spoken += std::max(Seconds{}, segment.end - segment.start);
            whole.segments.push_back(std::move(segment));
        }
        auto& all = languages[part.language];
        all += spoken;
        if (whole.language.empty() || (part.language != whole.language && all > languages[whole.language])) {
            whole.language = part.language;
            whole.language_probability = part.language_probability;
        }
        ++channel;
    }
    std::ranges::stable_sort(whole.segments, {}, &Segment::start);
    whole.text = text_of(whole.segments, whole.language);
    return whole;
}

}  // namespace hotmic
