#include "server/form.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <format>
#include <glaze/json/generic.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "asr/channels.hpp"
#include "asr/formats.hpp"
#include "asr/keywords.hpp"
#include "asr/languages.hpp"
#include "asr/limits.hpp"
#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/voice.hpp"
#include "server/http/fields.hpp"
#include "text/json.hpp"
#include "text/utf8.hpp"

namespace hotmic::server {
namespace {

using std::chrono::milliseconds;

std::unexpected<Error> cannot_honour(const std::string& field, std::string why) {
    return fail(ErrorCode::unsupported_parameter, std::format("{} is not supported: {}", field, why), "leave it out",
                field);
}

std::unexpected<Error> invalid(const std::string& field, const std::string& value, std::string_view expected) {
    constexpr std::size_t kShown = 100;
    return fail(ErrorCode::invalid_request, std::format("{} is \"{}\"", field, cut(value, kShown)),
                std::format("give {}", expected), field);
}

constexpr double kMostBeam = 16;
constexpr std::string_view kNoSuchField = "there is no such field";
/// Of a model or a language: more than any has.
constexpr std::size_t kMostName = 256;

/// "include[]" → "include"; "chunking_strategy[type]" → "chunking_strategy".
std::string_view base_name(std::string_view field) {
    return field.substr(0, field.find('['));
}

/// "chunking_strategy[type]" → "type"; empty without brackets.
std::string_view member_name(std::string_view field) {
    const auto begin = field.find('[');
    if (begin == field.npos || !field.ends_with(']')) return {};
    return field.substr(begin + 1, field.size() - begin - 2);
}

Result<double> parse_number(const std::string& field, const std::string& value, double most,
                            std::string_view expected) {
    double number = 0;
    const auto* end = value.data() + value.size();
    const auto [rest, error] = std::from_chars(value.data(), end, number);
    if (error != std::errc{} || rest != end || !(number >= 0 && number <= most)) return invalid(field, value, expected);
    return number;
}

/// The same bounds as those of the configuration.
Result<int> parse_line_limit(const std::string& field, const std::string& value) {
    const bool width = field == "max_line_width";
    const auto expected = width ? "a whole number from 0 to 1000; 0 breaks no lines" : "a whole number from 1 to 100";
    const auto number = parse_number(field, value, width ? 1000 : 100, expected);
    if (!number) return std::unexpected(number.error());
    const auto whole = static_cast<int>(*number);
    if (whole != *number || (whole == 0 && !width)) return invalid(field, value, expected);
    return whole;
}

constexpr std::string_view kOneRecording = "the whole recording is searched for speech where that helps";
constexpr std::string_view kOwnSearch = "the search is the model's own";
constexpr std::string_view kNoSpeakers = "speakers are not told apart";
constexpr std::string_view kNoSampling = "nothing is sampled that it would change";

/// speaches, whisper.cpp's server, LocalAI, WhisperX, vLLM.
constexpr std::array kExtras{
    KnownExtra{"vad_filter", kOneRecording},
    KnownExtra{"vad_parameters", kOneRecording},
    KnownExtra{"vad", kOneRecording},
    KnownExtra{"without_timestamps", "response_format says whether there are times"},
    KnownExtra{"no_timestamps", "response_format says whether there are times"},
    KnownExtra{"word_timestamps", "ask with timestamp_granularities[]=word"},
    KnownExtra{"temperature_inc", kOwnSearch},
    KnownExtra{"best_of", kOwnSearch},
    KnownExtra{"patience", kOwnSearch},
    KnownExtra{"length_penalty", kOwnSearch},
    KnownExtra{"entropy_thold", kOwnSearch},
    KnownExtra{"logprob_thold", kOwnSearch},
    KnownExtra{"no_speech_thold", kOwnSearch},
    KnownExtra{"condition_on_previous_text", kOwnSearch},
    KnownExtra{"suppress_nst", kOwnSearch},
    KnownExtra{"suppress_blank", kOwnSearch},
    KnownExtra{"encode", "every recording is decoded"},
    KnownExtra{"diarize", kNoSpeakers},
    KnownExtra{"diarization", kNoSpeakers},
    KnownExtra{"tinydiarize", kNoSpeakers},
    KnownExtra{"num_speakers", kNoSpeakers},
    KnownExtra{"min_speakers", kNoSpeakers},
    KnownExtra{"max_speakers", kNoSpeakers},
    KnownExtra{"seed", kNoSampling},
    KnownExtra{"top_p", kNoSampling},
    KnownExtra{"top_k", kNoSampling},
    KnownExtra{"user", "nothing is kept of who asks"},
};

/// Python's False is "False".
std::optional<bool> truth_of(std::string_view value) {
    for (const std::string_view yes : {"true", "1", "yes", "on"}) {
        if (http::same_name(value, yes)) return true;
    }
    for (const std::string_view no : {"false", "0", "no", "off", ""}) {
        if (http::same_name(value, no)) return false;
    }
    return std::nullopt;
}

/// "word,segment" or ["word","segment"].
std::vector<std::string> values_of(const std::string& value) {
    std::vector<std::string> values;
    if (value.starts_with('[') && !glz::read_json(values, value)) return values;
    values.clear();
    for (const auto each : http::list_of(value)) values.emplace_back(each);
    if (values.empty()) values.push_back(value);
    return values;
}

/// What the form says of `chunking_strategy`, in whatever order.
class Chunking {
public:
    Result<void> take(const std::string& field, const std::string& value) {
        if (const auto member = member_name(field); !member.empty()) return take_member(field, member, value);
        if (value == "auto") return {};
        const auto object = glz::read_json<glz::generic>(value);
        if (!object || !object->is_object()) return invalid(field, value, kExpected);
        for (const auto& [name, each] : object->get_object()) {
            const auto text = each.is_string() ? each.get_string() : to_json(each);
            if (auto taken = take_member(std::format("{}[{}]", field, name), name, text); !taken) return taken;
        }
        return {};
    }

    /// None: "auto".
    Result<std::optional<Endpointing>> finish() const {
        if (!vad_) return std::nullopt;
        if (!typed_)
            return fail(ErrorCode::invalid_request, "chunking_strategy has no type", "add type=server_vad",
                        "chunking_strategy[type]");
        return vad_;
    }

private:
    static constexpr std::string_view kExpected = "\"auto\", or an object of type \"server_vad\"";

    Result<void> take_member(const std::string& field, std::string_view name, const std::string& value) {
        // OpenAI's defaults for recordings; silence is shorter than in live sessions.
        if (!vad_) vad_ = Endpointing{.threshold = 0.5, .prefix = milliseconds(300), .silence = milliseconds(200)};
        if (name == "type") {
            if (value != "server_vad") return invalid(field, value, "\"server_vad\"");
            typed_ = true;
        } else if (name == "threshold") {
            const auto threshold = parse_number(field, value, 1, "a number from 0 to 1");
            if (!threshold) return std::unexpected(threshold.error());
            vad_->threshold = *threshold;
        } else if (name == "prefix_padding_ms" || name == "silence_duration_ms") {
            const auto time = parse_number(field, value, 60'000, "a number of milliseconds up to 60000");
            if (!time) return std::unexpected(time.error());
            (name == "prefix_padding_ms" ? vad_->prefix : vad_->silence) =
                milliseconds(static_cast<std::int64_t>(*time));
        } else {
            return cannot_honour(field, "there is no such field");
        }
        return {};
    }

    std::optional<Endpointing> vad_;
    bool typed_ = false;
};

struct Granularities {
    bool word = false;
    bool segment = false;
};

/// One field into the request. Errors: why it cannot be.
Result<void> apply(const std::string& field, const std::string& value, Task task, TranscriptionRequest& request,
                   Granularities& granularities, Chunking& chunking) {
    const auto name = base_name(field);
    if (name == "model") {
        if (value.size() > kMostName) return invalid(field, value.substr(0, kMostName) + "…", "the name of a model");
        request.model = value;
    } else if (name == "response_format") {
        auto format = parse_response_format(value);
        if (!format) return std::unexpected(std::move(format).error());
        request.format = *format;
    } else if (name == "temperature") {
        const auto temperature = parse_number(field, value, 1, "a number from 0 to 1");
        if (!temperature) return std::unexpected(temperature.error());
        request.options.temperature = *temperature;
    } else if (name == "prompt") {
        request.options.prompt = value;
    } else if (name == "hotwords") {
        auto hotwords = parse_hotwords(value, field);
        if (!hotwords) return std::unexpected(std::move(hotwords).error());
        request.options.hotwords.append_range(*std::move(hotwords));
    } else if (name == "beam_size") {
        const auto beam = parse_number(field, value, kMostBeam, "a whole number from 1 to 16");
        if (!beam) return std::unexpected(beam.error());
        request.options.beam_size = static_cast<int>(*beam);
        if (*beam < 1 || request.options.beam_size != *beam)
            return invalid(field, value, "a whole number from 1 to 16");
    } else if (name == "language") {
        if (value.size() > kMostName) return invalid(field, value.substr(0, kMostName) + "…", "a language");
        request.options.language = asked_language(value);
    } else if (name == "languages") {
        for (const auto& each : values_of(value)) {
            if (each.empty()) return invalid(field, value, "languages, such as de,en");
            request.options.languages.push_back(asked_language(each));
        }
    } else if (name == "timestamp_granularities" && task == Task::transcribe) {
        for (const auto& each : values_of(value)) {
            if (each != "word" && each != "segment") return invalid(field, value, "word or segment");
            (each == "word" ? granularities.word : granularities.segment) = true;
        }
    } else if (name == "stream") {
        const auto yes = truth_of(value);
        if (!yes) return invalid(field, value, "true or false");
        request.stream = *yes;
    } else if (name == "include") {
        for (const auto& each : values_of(value)) {
            if (each != "logprobs" && each != "uncovered") return invalid(field, value, "logprobs or uncovered");
            if (each == "logprobs" && task == Task::translate)
                return cannot_honour(field, "a translation has no log-probabilities");
            (each == "logprobs" ? request.render.logprobs : request.render.uncovered) = true;
        }
    } else if (name == "tag_audio_events") {
        const auto yes = truth_of(value);
        if (!yes) return invalid(field, value, "true or false");
        request.options.tag_audio_events = *yes;
    } else if (name == "channels") {
        const auto channels = parse_channels(value);
        if (!channels) return std::unexpected(channels.error());
        request.channels = *channels;
    } else if (name == "max_line_width" || name == "max_line_count") {
        const auto limit = parse_line_limit(std::string(name), value);
        if (!limit) return std::unexpected(limit.error());
        (name == "max_line_width" ? request.max_line_width : request.max_line_count) = *limit;
    } else if (name == "chunking_strategy") {
        return chunking.take(field, value);
    } else {
        if (const auto* extra = std::ranges::find(kExtras, name, &KnownExtra::name); extra != kExtras.end()) {
            request.warnings.push_back(std::format("{} is ignored: {}", name, extra->why));
            return {};
        }
        static constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kRefused{
            {{"known_speaker_names", "speakers are not told apart"},
             {"known_speaker_references", "speakers are not told apart"},
             {"keywords", "use prompt for spelling and context"}}};
        const auto* known = std::ranges::find(kRefused, name, &std::pair<std::string_view, std::string_view>::first);
        return cannot_honour(field, std::string(known == kRefused.end() ? kNoSuchField : known->second));
    }
    return {};
}

}  // namespace

std::span<const KnownExtra> known_extras() noexcept {
    return kExtras;
}

Result<TranscriptionRequest> parse_form(const Form& form, Task task) {
    TranscriptionRequest request{.model = {}, .options = {.task = task}, .render = {.task = task}};
    Granularities granularities;
    Chunking chunking;
    constexpr std::size_t kMostFields = 100;
    if (form.fields.size() > kMostFields) {
        return fail(ErrorCode::invalid_request,
                    std::format("the form has {} fields, at most {} are taken", form.fields.size(), kMostFields),
                    "leave out what is not in the API reference");
    }
    if (!form.other_files.empty()) {
        const auto& name = form.other_files.front();
        if (form.file) return cannot_honour(name, "only the part \"file\" holds a recording");
        return fail(ErrorCode::missing_file,
                    std::format("the form has no part named \"file\", but one named \"{}\" that holds a file", name),
                    "name it \"file\"", "file");
    }
    for (const auto& [field, value] : form.query) {
        auto applied = apply(field, value, task, request, granularities, chunking);
        // Addresses carry what is for others, like Azure's api-version.
        if (!applied && !applied.error().message.ends_with(kNoSuchField)) return std::unexpected(applied.error());
    }
    for (const auto& [field, value] : form.fields) {
        if (auto sized = check_size("a field's name", field); !sized) return std::unexpected(std::move(sized).error());
        if (auto sized = check_size(base_name(field), value); !sized) return std::unexpected(std::move(sized).error());
        if (auto applied = apply(field, value, task, request, granularities, chunking); !applied)
            return std::unexpected(std::move(applied).error());
    }
    auto chunks = chunking.finish();
    if (!chunks) return std::unexpected(std::move(chunks).error());
    request.chunking = *chunks;
    if (auto fits = check_language_choice(request.options.language, request.options.languages, "language"); !fits)
        return std::unexpected(std::move(fits).error());
    if (granularities.word && request.format != ResponseFormat::verbose_json) {
        return fail(ErrorCode::invalid_request, "timestamp_granularities needs response_format=verbose_json",
                    "set response_format", "timestamp_granularities");
    }
    const bool is_json = request.format == ResponseFormat::json;
    if (request.render.logprobs && !is_json)
        return fail(ErrorCode::invalid_request, "include[]=logprobs needs response_format=json", "set response_format",
                    "include");
    if (!is_subtitles(request.format) && (request.max_line_width || request.max_line_count)) {
        const auto* field = request.max_line_width ? "max_line_width" : "max_line_count";
        return fail(ErrorCode::invalid_request, std::format("{} needs response_format=srt or vtt", field),
                    "set response_format", field);
    }
    if (request.render.uncovered && request.format != ResponseFormat::verbose_json)
        return fail(ErrorCode::invalid_request, "include[]=uncovered needs response_format=verbose_json",
                    "set response_format", "include");
    if (request.stream && !is_json && request.format != ResponseFormat::text)
        return fail(ErrorCode::invalid_request, "stream=true needs response_format=json or text", "set response_format",
                    "stream");
    if (request.stream && request.channels == Channels::separate)
        return fail(ErrorCode::invalid_request,
                    "stream=true needs channels=mix: separate ones are in order of time at the end",
                    "leave one of them out", "channels");
    request.render.words = granularities.word;
    request.options.word_timestamps = granularities.word || request.render.logprobs;
    request.render.segments = granularities.segment || !granularities.word;
    if (!form.file) {
        return fail(ErrorCode::missing_file, "the form has no part named \"file\"",
                    "send the audio as multipart field file", "file");
    }
    if (!*form.file)
        return fail(ErrorCode::audio_empty, "the uploaded file has 0 bytes", "send a file with content", "file");
    return request;
}

}  // namespace hotmic::server
