/// The language of what was said, chosen by what the model thinks of each.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic::whisper {

struct LanguageLogit {
    std::string_view code;
    float logit = 0;
};

struct LanguageChoice {
    std::string code{};  ///< empty: there was none to choose from
    double probability = 0;
};

/// The most probable of those that `options` allow, and its probability among them. A short moment often sounds like
/// a neighbour of its language: where the audio is short, what was spoken before it (TranscribeOptions) is kept unless
/// another is several times as probable. `length`: of the audio.
[[nodiscard]] LanguageChoice choose_language(std::span<const LanguageLogit> logits, Seconds length,
                                             const TranscribeOptions& options);

}  // namespace hotmic::whisper
