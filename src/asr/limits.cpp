#include "asr/limits.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <format>
#include <string>
#include <string_view>
#include <vector>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"

namespace hotmic {

std::size_t most_bytes_of(std::string_view field) noexcept {
    if (field == "prompt" || field == "hotwords") return 32 << 10;
    if (field == "chunking_strategy") return 4 << 10;
    return 256;
}

Result<void> check_size(std::string_view field, std::string_view value) {
    const auto most = most_bytes_of(field);
    if (value.size() <= most) return {};
    return fail(ErrorCode::invalid_request,
                std::format("{} has {} bytes, at most {} are taken", field, value.size(), most),
                std::format("send a shorter {}", field), std::string(field));
}

Result<void> check_language_choice(const std::string& language, const std::vector<std::string>& languages,
                                   const std::string& field) {
    if (language.empty() || language == "auto" || languages.empty() || std::ranges::contains(languages, language))
        return {};
    return fail(ErrorCode::invalid_request, std::format("language is \"{}\", which languages does not hold", language),
                "give one of them, or leave language out to have it detected among them", field);
}

Result<void> check_samples(AudioView audio) {
    const auto bad = std::ranges::find_if_not(audio, [](float sample) { return std::isfinite(sample); });
    if (bad == audio.end()) return {};
    return fail(ErrorCode::audio_invalid_samples,
                std::format("sample {} of the audio is not a finite number", bad - audio.begin()),
                "send samples between -1 and 1");
}

Result<void> check_sizes(const TranscribeOptions& options) {
    if (auto language = check_size("language", options.language); !language) return language;
    if (auto language = check_size("language_before", options.language_before); !language) return language;
    constexpr std::size_t kMostLanguages = 200;  // more than there are
    if (options.languages.size() > kMostLanguages) {
        return fail(ErrorCode::invalid_request,
                    std::format("languages names {}, at most {} are taken", options.languages.size(), kMostLanguages),
                    "name those that may be spoken", "languages");
    }
    for (const auto& each : options.languages) {
        if (auto language = check_size("languages", each); !language) return language;
    }
    constexpr std::size_t kMostHotwords = 1000;
    if (options.hotwords.size() > kMostHotwords) {
        return fail(
            ErrorCode::invalid_request,
            std::format("hotwords has {} phrases, at most {} are taken", options.hotwords.size(), kMostHotwords),
            "name those that are likeliest", "hotwords");
    }
    for (const auto& [phrase, boost] : options.hotwords) {
        if (auto fits = check_size("hotword", phrase); !fits) return fits;
    }
    constexpr std::size_t kMostDrafted = 1024;  // more than any model decodes of a window
    if (options.draft.size() > kMostDrafted) {
        return fail(ErrorCode::invalid_request,
                    std::format("draft has {} tokens, at most {} are taken", options.draft.size(), kMostDrafted),
                    "leave it out", "draft");
    }
    return check_size("prompt", options.prompt);
}

}  // namespace hotmic
