#include "asr/whisper/request.hpp"

#include <algorithm>
#include <format>
#include <string>
#include <string_view>

#include "asr/languages.hpp"
#include "asr/limits.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/transcript.hpp"

namespace hotmic::whisper {

Result<void> check_decoders(const ModelSpec& spec, int most_decoders) {
    const auto check = [&](std::string_view key, int value) -> Result<void> {
        if (value >= 0 && value <= most_decoders) return {};
        return fail(ErrorCode::config_invalid,
                    std::format("{} = {}: the engine runs at most {} decoders at once", key, value, most_decoders),
                    std::format("set it to 0..{}", most_decoders), std::string(key));
    };
    if (auto fits = check("max_best_of", spec.max_best_of); !fits) return fits;
    return check("max_beam_size", spec.max_beam_size);
}

namespace {

Result<void> check_language(const ModelInfo& info, const std::string& language, const std::string& field) {
    const auto code = language_code(language);
    if (code && std::ranges::contains(info.capabilities.languages, *code)) return {};
    return fail(ErrorCode::unsupported_language,
                code ? std::format("{} is an English-only model and does not know \"{}\"", info.name, language)
                     : std::format("\"{}\" is no language this engine knows", language),
                code ? "use a multilingual model, or language=en"
                     : "give an ISO 639-1 code such as en, or leave it out to detect it",
                field);
}

}  // namespace

Result<void> check_request(const ModelInfo& info, const ModelSpec& spec, int most_decoders, AudioView audio,
                           const TranscribeOptions& options) {
    const bool multilingual = info.capabilities.language_detection;
    // Over 1 the engine would try no temperature at all, and answer with what its buffers hold of the last request.
    if (!(options.temperature >= 0 && options.temperature <= 1)) {
        return fail(ErrorCode::unsupported_parameter,
                    std::format("temperature {} is not within 0 and 1", options.temperature),
                    "give a temperature from 0 to 1", "temperature");
    }
    if (!asks_for_detection(options.language)) {
        if (auto known = check_language(info, options.language, "language"); !known) return known;
    }
    for (const auto& language : options.languages) {
        if (auto known = check_language(info, language, "languages"); !known) return known;
    }
    if (options.task == Task::translate && !multilingual) {
        return fail(ErrorCode::unsupported_parameter,
                    std::format("{} is an English-only model and does not translate", info.name),
                    "use a multilingual model", "task");
    }
    struct Limit {
        const char* name;
        int value;
        int most;
    };
    for (const auto& [name, value, most] : {Limit{"best_of", options.best_of, spec.max_best_of},
                                            Limit{"beam_size", options.beam_size, spec.max_beam_size}}) {
        if (value < 0 || value > std::min(most, most_decoders)) {
            return fail(
                ErrorCode::unsupported_parameter,
                std::format("{} = {} is over this model's limit of {}", name, value, most),
                std::format("raise max_{} in the configuration (the engine's limit is {})", name, most_decoders), name);
        }
    }
    return check_samples(audio);
}

}  // namespace hotmic::whisper
