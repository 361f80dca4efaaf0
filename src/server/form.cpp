#include "server/form.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <format>
#include <string_view>

namespace hotmic::server {
namespace {

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

Result<double> parse_temperature(const std::string& value) {
    double number = 0;
    const auto* end = value.data() + value.size();
    const auto [rest, error] = std::from_chars(value.data(), end, number);
    if (error != std::errc{} || rest != end || !(number >= 0 && number <= 1)) {
        return invalid("temperature", value, "a number from 0 to 1");
    }
    return number;
}

struct Granularities {
    bool word = false;
    bool segment = false;
};

/// One field into the request. Errors: why it cannot be.
Result<void> apply(const std::string& field, const std::string& value, Task task, TranscriptionRequest& request,
                   Granularities& granularities) {
    const auto name = base_name(field);
    if (name == "model") {
        request.model = value;
    } else if (name == "response_format") {
        auto format = parse_response_format(value);
        if (!format) return std::unexpected(std::move(format).error());
        request.format = *format;
    } else if (name == "temperature") {
        const auto temperature = parse_temperature(value);
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
        if (value != "auto") return cannot_honour(field, "long audio is always cut at pauses, as with \"auto\"");
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
    for (const auto& [field, value] : form.fields) {
        if (auto applied = apply(field, value, task, request, granularities); !applied)
            return std::unexpected(std::move(applied).error());
    }
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
