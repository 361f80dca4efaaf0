#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "asr/compression_ratio.hpp"
#include "asr/formats.hpp"
#include "asr/formats/renderers.hpp"
#include "asr/languages.hpp"
#include "asr/openai_wire.hpp"
#include "hotmic/transcript.hpp"
#include "text/json.hpp"
#include "text/utf8.hpp"

namespace hotmic {
namespace wire {

struct VerboseSegment {
    int id = 0;
    std::int64_t seek = 0;
    double start = 0;
    double end = 0;
    std::string text;
    std::vector<std::int32_t> tokens;
    double temperature = 0;
    double avg_logprob = 0;
    double compression_ratio = 0;
    double no_speech_prob = 0;
    std::optional<int> channel;  // beyond OpenAI's shape, where channels are heard separately
};

struct VerboseWord {
    std::string word;
    double start = 0;
    double end = 0;
    std::optional<int> channel;
};

struct VerboseJson {
    std::string task;
    std::string language;
    double duration = 0;
    std::string text;
    std::optional<std::vector<VerboseSegment>> segments;
    std::optional<std::vector<VerboseWord>> words;
    std::optional<double> uncovered_seconds;  // beyond OpenAI's shape, for who asks
    Usage usage;
};

}  // namespace wire

namespace {

std::vector<wire::VerboseSegment> segments_of(const Transcript& transcript) {
    std::vector<wire::VerboseSegment> segments;
    segments.reserve(transcript.segments.size());
    for (const auto& segment : transcript.segments) {
        segments.push_back({.id = static_cast<int>(segments.size()),
                            .seek = std::llround(segment.start.count() * 100),
                            .start = segment.start.count(),
                            .end = segment.end.count(),
                            .text = valid_utf8(segment.text),
                            .tokens = segment.tokens,
                            .temperature = segment.temperature,
                            .avg_logprob = segment.avg_logprob,
                            .compression_ratio = compression_ratio(segment.text),
                            .no_speech_prob = segment.no_speech_prob,
                            .channel = segment.channel});
    }
    return segments;
}

std::vector<wire::VerboseWord> words_of(const Transcript& transcript) {
    std::vector<wire::VerboseWord> words;
    for (const auto& segment : transcript.segments) {
        for (const auto& word : segment.words)
            words.push_back({valid_utf8(word.text), word.start.count(), word.end.count(), segment.channel});
    }
    const bool apart =
        std::ranges::any_of(transcript.segments, [](const auto& each) { return each.channel.has_value(); });
    if (apart) std::ranges::stable_sort(words, {}, &wire::VerboseWord::start);  // people talk at once
    return words;
}

}  // namespace

std::string formats::verbose_json(const Transcript& transcript, const RenderOptions& options) {
    const bool translated = options.task == Task::translate;
    wire::VerboseJson out{
        .task = translated ? "translate" : "transcribe",
        .language = std::string(translated                    ? "english"
                                : transcript.language.empty() ? "unknown"
                                                              : language_name(transcript.language)),
        .duration = transcript.duration.count(),
        .text = wire::text_of(transcript),
        .segments = {},
        .words = {},
        .uncovered_seconds = options.uncovered ? std::optional(transcript.uncovered.count()) : std::nullopt,
        .usage = wire::usage_of(transcript)};
    if (options.segments) out.segments = segments_of(transcript);
    if (options.words) out.words = words_of(transcript);
    return to_json(out);
}

}  // namespace hotmic
