#include "server/form.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <format>
#include <glaze/json/generic.hpp>
#include <optional>
#include <string_view>

#include "text/json.hpp"

namespace hotmic::server {
namespace {

using std::chrono::milliseconds;

std::unexpected<Error> cannot_honour(const std::string& field, std::string why) {
    return fail(ErrorCode::unsupported_parameter, std::format("{} is not supported: {}", field, why), "leave it out",
                field);
}

std::unexpected<Error> invalid(const std::string& field, const std::string& value, std::string_view expected) {
    return fail(ErrorCode::invalid_request, std::format("{} is \"{}\"", field, value), std::format("give {}", expected),
                field);
}

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
    } else if (name == "language" && task == Task::transcribe) {
        request.options.language = value;
    } else if (name == "timestamp_granularities" && task == Task::transcribe) {
        if (value == "word")
            granularities.word = true;
        else if (value == "segment")
            granularities.segment = true;
        else
            return invalid(field, value, "word or segment");
    } else if (name == "stream") {
        if (value != "true" && value != "false") return invalid(field, value, "true or false");
        request.stream = value == "true";
    } else if (name == "include" && task == Task::transcribe) {
        if (value != "logprobs") return invalid(field, value, "logprobs");
        request.render.logprobs = true;
    } else if (name == "chunking_strategy") {
        return chunking.take(field, value);
    } else {
        static constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kRefused{
            {{"include", "a translation has no log-probabilities"},
             {"known_speaker_names", "speakers are not told apart"},
             {"known_speaker_references", "speakers are not told apart"},
             {"keywords", "use prompt for spelling and context"},
             {"languages", "use language for the one language of the audio"},
             {"language", "a translation is always into English, and its source language is detected"}}};
        const auto* known = std::ranges::find(kRefused, name, &std::pair<std::string_view, std::string_view>::first);
        return cannot_honour(field, std::string(known == kRefused.end() ? "there is no such field" : known->second));
    }
    return {};
}

}  // namespace

Result<TranscriptionRequest> parse_form(const Form& form, Task task) {
    TranscriptionRequest request{.model = {}, .options = {.task = task}, .render = {.task = task}};
    Granularities granularities;
    Chunking chunking;
    for (const auto& [field, value] : form.fields) {
        if (auto applied = apply(field, value, task, request, granularities, chunking); !applied)
            return std::unexpected(std::move(applied).error());
    }
    auto chunks = chunking.finish();
    if (!chunks) return std::unexpected(std::move(chunks).error());
    request.chunking = *chunks;
    if (granularities.word && request.format != ResponseFormat::verbose_json) {
        return fail(ErrorCode::invalid_request, "timestamp_granularities needs response_format=verbose_json",
                    "set response_format", "timestamp_granularities");
    }
    const bool is_json = request.format == ResponseFormat::json;
    if (request.render.logprobs && !is_json)
        return fail(ErrorCode::invalid_request, "include[]=logprobs needs response_format=json", "set response_format",
                    "include");
    if (request.stream && !is_json && request.format != ResponseFormat::text)
        return fail(ErrorCode::invalid_request, "stream=true needs response_format=json or text", "set response_format",
                    "stream");
    request.render.words = granularities.word;
    request.options.word_timestamps = granularities.word || request.render.logprobs;
    request.render.segments = granularities.segment || !granularities.word;
    if (form.file == nullptr) {
        return fail(ErrorCode::missing_file, "the form has no part named \"file\"",
                    "send the audio as multipart field file", "file");
    }
    if (form.file->empty())
        return fail(ErrorCode::audio_empty, "the uploaded file has 0 bytes", "send a file with content", "file");
    return request;
}

}  // namespace hotmic::server
