#include "asr/formats.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <format>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "asr/languages.hpp"
#include "asr/tokens.hpp"
#include "text/json.hpp"
#include "text/utf8.hpp"

namespace hotmic {
namespace wire {

// The shapes of OpenAI's API reference, "Audio": field for field.

struct Usage {
    std::string type = "duration";
    std::int64_t seconds = 0;
};

struct Logprob {
    std::string token;
    std::vector<int> bytes;
    double logprob = 0;
};
using Logprobs = std::optional<std::vector<Logprob>>;

struct Json {
    std::string text;
    Logprobs logprobs;
    Usage usage;
};

struct Delta {
    std::string type = "transcript.text.delta";
    std::string delta;
    Logprobs logprobs;
};

struct Done {
    std::string type = "transcript.text.done";
    std::string text;
    Logprobs logprobs;
    Usage usage;
};

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

struct Verbose {
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

constexpr std::array<std::string_view, 5> kNames{"json", "text", "srt", "vtt", "verbose_json"};

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

wire::Usage usage_of(const Transcript& transcript) {
    return {"duration", static_cast<std::int64_t>(std::ceil(transcript.duration))};
}

/// Words stand for tokens, which not every engine has: together they are the text, spaces and all.
std::vector<wire::Logprob> logprobs_in(std::string_view text, std::span<const Word> words) {
    std::vector<wire::Logprob> all;
    for (auto& [token, probability] : tokens_of(text, words)) {
        wire::Logprob logprob{
            .token = std::move(token), .bytes = {}, .logprob = std::log(std::clamp(probability, 1e-9, 1.0))};
        for (const char c : logprob.token) logprob.bytes.push_back(static_cast<unsigned char>(c));
        all.push_back(std::move(logprob));
    }
    return all;
}

wire::Logprobs logprobs_of(const Transcript& transcript, const RenderOptions& options) {
    if (!options.logprobs) return {};
    std::vector<Word> words;
    for (const auto& segment : transcript.segments) words.append_range(segment.words);
    return logprobs_in(valid_utf8(trimmed(transcript.text)), words);
}

/// 00:01:02,345 (SRT) or 00:01:02.345 (WebVTT).
std::string timestamp(double seconds, char separator) {
    const auto ms = std::llround(std::max(0.0, seconds) * 1000);
    return std::format("{:02}:{:02}:{:02}{}{:03}", ms / 3'600'000, ms / 60'000 % 60, ms / 1000 % 60, separator,
                       ms % 1000);
}

std::string vtt_escaped(std::string_view text) {
    std::string escaped;
    for (const char c : text) {
        switch (c) {
            case '&':
                escaped += "&amp;";
                break;
            case '<':
                escaped += "&lt;";
                break;
            case '>':
                escaped += "&gt;";
                break;
            default:
                escaped += c;
        }
    }
    return escaped;
}

std::vector<Cue> cues_of(const Transcript& transcript, const CueLimits& limits) {
    std::vector<Cue> cues;
    for (const auto& segment : transcript.segments) cues.append_range(cues_of(segment, limits));
    std::ranges::stable_sort(cues, {}, &Cue::start);  // on several channels people talk at once
    return cues;
}

std::string srt(const Transcript& transcript, const CueLimits& limits) {
    std::string out;
    int number = 0;
    for (const auto& cue : cues_of(transcript, limits)) {
        out += std::format("{}\n{} --> {}\n", ++number, timestamp(cue.start, ','), timestamp(cue.end, ','));
        for (const auto& line : cue.lines) out += line + '\n';
        out += '\n';
    }
    return out;
}

std::string vtt(const Transcript& transcript, const CueLimits& limits) {
    std::string out = "WEBVTT\n\n";
    for (const auto& cue : cues_of(transcript, limits)) {
        out += std::format("{} --> {}\n", timestamp(cue.start, '.'), timestamp(cue.end, '.'));
        for (const auto& line : cue.lines) out += vtt_escaped(line) + '\n';
        out += '\n';
    }
    return out;
}

wire::Verbose verbose(const Transcript& transcript, const RenderOptions& options) {
    const bool translated = options.task == Task::translate;
    wire::Verbose out{
        .task = translated ? "translate" : "transcribe",
        .language = std::string(translated                    ? "english"
                                : transcript.language.empty() ? "unknown"
                                                              : language_name(transcript.language)),
        .duration = transcript.duration,
        .text = valid_utf8(trimmed(transcript.text)),
        .segments = {},
        .words = {},
        .uncovered_seconds = options.uncovered ? std::optional(transcript.uncovered_seconds) : std::nullopt,
        .usage = usage_of(transcript)};
    if (options.segments) {
        auto& segments = out.segments.emplace();
        for (const auto& segment : transcript.segments) {
            segments.push_back({.id = static_cast<int>(segments.size()),
                                .seek = std::llround(segment.start * 100),
                                .start = segment.start,
                                .end = segment.end,
                                .text = valid_utf8(segment.text),
                                .tokens = segment.tokens,
                                .temperature = segment.temperature,
                                .avg_logprob = segment.avg_logprob,
                                .compression_ratio = compression_ratio(segment.text),
                                .no_speech_prob = segment.no_speech_prob,
                                .channel = segment.channel});
        }
    }
    if (options.words) {
        auto& words = out.words.emplace();
        for (const auto& segment : transcript.segments) {
            for (const auto& word : segment.words)
                words.push_back({valid_utf8(word.text), word.start, word.end, segment.channel});
        }
        const bool apart =
            std::ranges::any_of(transcript.segments, [](const auto& each) { return each.channel.has_value(); });
        if (apart) std::ranges::stable_sort(words, {}, &wire::VerboseWord::start);  // people talk at once
    }
    return out;
}

}  // namespace

Result<ResponseFormat> parse_response_format(std::string_view name) {
    const auto* found = std::ranges::find(kNames, name);
    if (found != kNames.end()) return static_cast<ResponseFormat>(found - kNames.begin());
    return fail(ErrorCode::unsupported_response_format, std::format("response_format \"{}\" is not supported", name),
                "use json, text, srt, vtt or verbose_json", "response_format");
}

std::string_view name_of(ResponseFormat format) noexcept {
    return kNames[static_cast<std::size_t>(format)];
}

std::string_view content_type_of(ResponseFormat format) noexcept {
    switch (format) {
        case ResponseFormat::json:
        case ResponseFormat::verbose_json:
            return "application/json";
        case ResponseFormat::vtt:
            return "text/vtt; charset=utf-8";
        case ResponseFormat::srt:
        case ResponseFormat::text:
            return "text/plain; charset=utf-8";
    }
    std::unreachable();
}

std::string render(const Transcript& transcript, ResponseFormat format, const RenderOptions& options) {
    switch (format) {
        case ResponseFormat::json:
            return to_json(wire::Json{valid_utf8(trimmed(transcript.text)), logprobs_of(transcript, options),
                                      usage_of(transcript)});
        case ResponseFormat::text:
            return valid_utf8(trimmed(transcript.text)) + "\n";
        case ResponseFormat::srt:
            return srt(transcript, options.cues);
        case ResponseFormat::vtt:
            return vtt(transcript, options.cues);
        case ResponseFormat::verbose_json:
            return to_json(verbose(transcript, options));
    }
    std::unreachable();
}

std::string TranscriptEvents::delta(const Segment& segment) {
    const auto text = valid_utf8(trimmed(segment.text));
    if (text.empty()) return {};
    // Engines that space their words begin a segment with a space, or leave it to whoever joins segments; those of
    // scripts without spaces have none.
    const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
    const bool spaced = last_ != 0 && (segment.text.starts_with(' ') || (is_ascii(last_) && is_ascii(text.front())));
    wire::Delta event{.delta = (spaced ? " " : "") + text, .logprobs = {}};
    if (options_.logprobs) event.logprobs = logprobs_in(event.delta, segment.words);
    last_ = text.back();
    return to_json(event);
}

std::string TranscriptEvents::done(const Transcript& transcript) const {
    return to_json(wire::Done{.text = valid_utf8(trimmed(transcript.text)),
                              .logprobs = logprobs_of(transcript, options_),
                              .usage = usage_of(transcript)});
}

double compression_ratio(std::string_view text) {
    if (text.empty()) return 0;
    std::vector<Bytef> packed(compressBound(text.size()));
    uLongf size = packed.size();
    if (compress2(packed.data(), &size, reinterpret_cast<const Bytef*>(text.data()), text.size(),
                  Z_DEFAULT_COMPRESSION) != Z_OK)
        return 0;
    return static_cast<double>(text.size()) / static_cast<double>(size);
}

}  // namespace hotmic
