#include "server/realtime_config.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <format>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asr/languages.hpp"
#include "asr/limits.hpp"
#include "audio/pcm.hpp"
#include "hotmic/error.hpp"
#include "hotmic/live_stream.hpp"
#include "hotmic/voice.hpp"

namespace hotmic::server {
namespace {

using Json = glz::generic;
using Encoding = audio::PcmFormat::Encoding;
using std::chrono::milliseconds;

std::unexpected<Error> invalid(const std::string& field, std::string_view expected) {
    return fail(ErrorCode::invalid_request, std::format("{} is not {}", field, expected), "", field);
}

/// A member that is there and not null.
const Json* member(const Json& object, std::string_view name) {
    if (!object.is_object() || !object.contains(name)) return nullptr;
    const auto& value = object[name];
    return value.is_null() ? nullptr : &value;
}
bool is_null(const Json& object, std::string_view name) {
    return object.is_object() && object.contains(name) && object[name].is_null();
}

Result<void> take_text(const Json& object, std::string_view name, const std::string& field, std::string& to) {
    if (is_null(object, name)) to.clear();
    const auto* value = member(object, name);
    if (value == nullptr) return {};
    if (!value->is_string()) return invalid(field, "text");
    if (auto sized = check_size(name, value->get_string()); !sized) {
        sized.error().param = field;
        return sized;
    }
    to = value->get_string();
    return {};
}

Result<void> take_milliseconds(const Json& object, std::string_view name, const std::string& field, milliseconds& to) {
    constexpr double kMost = 60'000;
    const auto* value = member(object, name);
    if (value == nullptr) return {};
    if (!value->is_number() || !(value->get_number() >= 0 && value->get_number() <= kMost))
        return invalid(field, "a number of milliseconds up to 60000");
    to = milliseconds(static_cast<std::int64_t>(value->get_number()));
    return {};
}

Result<void> take_format(const Json& value, const std::string& field, audio::PcmFormat& to) {
    // The beta has a name only.
    if (value.is_string()) {
        static constexpr std::array<std::pair<std::string_view, audio::PcmFormat>, 3> kNames{
            {{"pcm16", {Encoding::s16, 24'000}},
             {"g711_ulaw", {Encoding::ulaw, 8'000}},
             {"g711_alaw", {Encoding::alaw, 8'000}}}};
        for (const auto& [name, format] : kNames) {
            if (value.get_string() == name) {
                to = format;
                return {};
            }
        }
        return invalid(field, "pcm16, g711_ulaw or g711_alaw");
    }
    const auto* type = member(value, "type");
    if (type == nullptr || !type->is_string()) return invalid(field + ".type", "text");
    const std::string_view name = type->get_string();
    if (name == "audio/pcm")
        to = {Encoding::s16, 24'000};
    else if (name == "audio/pcmu")
        to = {Encoding::ulaw, 8'000};
    else if (name == "audio/pcma")
        to = {Encoding::alaw, 8'000};
    else
        return invalid(field + ".type", "audio/pcm, audio/pcmu or audio/pcma");
    if (const auto* rate = member(value, "rate")) {
        if (!rate->is_number()) return invalid(field + ".rate", "a number of Hz");
        to.rate = static_cast<int>(rate->get_number());
        if (auto possible = audio::PcmDecoder::open(to); !possible) {
            auto error = possible.error();
            error.param = field + ".rate";
            return std::unexpected(std::move(error));
        }
    }
    return {};
}

Result<void> take_languages(const Json& object, const std::string& field, std::vector<std::string>& to) {
    if (is_null(object, "languages")) to.clear();
    const auto* value = member(object, "languages");
    if (value == nullptr) return {};
    if (!value->is_array()) return invalid(field, R"(a list such as ["de", "en"])");
    to.clear();
    for (const auto& each : value->get_array()) {
        if (!each.is_string() || each.get_string().empty()) return invalid(field, R"(a list such as ["de", "en"])");
        to.push_back(asked_language(each.get_string()));
    }
    return {};
}

Result<void> take_transcription(const Json& value, const std::string& field, RealtimeConfig& to) {
    if (!value.is_object()) return invalid(field, "an object");
    if (auto taken = take_text(value, "model", field + ".model", to.model); !taken) return taken;
    if (auto taken = take_text(value, "language", field + ".language", to.language); !taken) return taken;
    to.language = asked_language(to.language);
    if (auto taken = take_languages(value, field + ".languages", to.languages); !taken) return taken;
    if (auto fits = check_language_choice(to.language, to.languages, field + ".language"); !fits) return fits;
    return take_text(value, "prompt", field + ".prompt", to.prompt);
}

milliseconds silence_of(std::string_view eagerness) {
    if (eagerness == "high") return milliseconds(300);
    return eagerness == "low" ? milliseconds(1000) : milliseconds(600);
}

Result<void> take_turns(const Json& value, const std::string& field, std::optional<RealtimeConfig::TurnDetection>& to) {
    if (!value.is_object()) return invalid(field, "an object or null");
    RealtimeConfig::TurnDetection turns;
    if (auto taken = take_text(value, "type", field + ".type", turns.type); !taken) return taken;
    if (turns.type == "semantic_vad") {
        if (auto taken = take_text(value, "eagerness", field + ".eagerness", turns.eagerness); !taken) return taken;
        turns.silence = silence_of(turns.eagerness);
    } else if (turns.type != "server_vad") {
        return invalid(field + ".type", "server_vad or semantic_vad");
    }
    if (const auto* threshold = member(value, "threshold")) {
        if (!threshold->is_number() || !(threshold->get_number() >= 0 && threshold->get_number() <= 1))
            return invalid(field + ".threshold", "a number from 0 to 1");
        turns.threshold = threshold->get_number();
    }
    if (auto taken = take_milliseconds(value, "prefix_padding_ms", field + ".prefix_padding_ms", turns.prefix_padding);
        !taken)
        return taken;
    if (auto taken = take_milliseconds(value, "silence_duration_ms", field + ".silence_duration_ms", turns.silence);
        !taken)
        return taken;
    to = turns;
    return {};
}

/// The names of one shape: general availability, or the beta's.
struct Names {
    std::string_view format;
    std::string_view transcription;
    std::string prefix;
};

Result<void> take_input(const Json& input, const Names& names, RealtimeConfig& to) {
    const auto field = [&](std::string_view name) { return names.prefix + std::string(name); };
    if (const auto* format = member(input, names.format)) {
        if (auto taken = take_format(*format, field(names.format), to.format); !taken) return taken;
    }
    if (const auto* transcription = member(input, names.transcription)) {
        if (auto taken = take_transcription(*transcription, field(names.transcription), to); !taken) return taken;
    }
    if (is_null(input, "turn_detection")) to.turn_detection.reset();
    if (const auto* turns = member(input, "turn_detection"))
        return take_turns(*turns, field("turn_detection"), to.turn_detection);
    return {};
}

}  // namespace

Result<void> RealtimeConfig::update(const glz::generic& session) {
    if (!session.is_object()) return invalid("session", "an object");
    auto next = *this;
    if (const auto* type = member(session, "type");
        type != nullptr && !(type->is_string() && type->get_string() == "transcription")) {
        return fail(ErrorCode::unsupported_parameter, "this server transcribes and does not converse",
                    R"(use "type": "transcription")", "session.type");
    }
    if (const auto* audio = member(session, "audio")) {
        if (const auto* input = member(*audio, "input")) {
            if (auto taken = take_input(*input, {"format", "transcription", "session.audio.input."}, next); !taken)
                return taken;
        }
    }
    if (auto taken = take_input(session, {"input_audio_format", "input_audio_transcription", "session."}, next); !taken)
        return taken;
    if (is_null(session, "include")) next.logprobs = false;
    if (const auto* include = member(session, "include")) {
        if (!include->is_array()) return invalid("session.include", "a list");
        next.logprobs = false;
        for (const auto& each : include->get_array()) {
            if (!each.is_string() || each.get_string() != "item.input_audio_transcription.logprobs")
                return invalid("session.include", R"(["item.input_audio_transcription.logprobs"])");
            next.logprobs = true;
        }
    }
    *this = std::move(next);
    return {};
}

LiveOptions RealtimeConfig::live_options(const std::string& id) const {
    LiveOptions options{
        .transcribe = {.language = language, .languages = languages, .prompt = prompt}, .endpointing = {}, .id = id};
    if (turn_detection)
        options.endpointing =
            Endpointing{turn_detection->threshold, turn_detection->prefix_padding, turn_detection->silence};
    return options;
}

}  // namespace hotmic::server
