/// What both engines of Whisper refuse before they begin.
#pragma once

#include <cstddef>
#include <string>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic::whisper {

/// Whisper looks at half of its text context at most of a prompt.
inline constexpr int kPromptTokens = 224;
/// Less than this holds no speech.
inline constexpr std::size_t kShortestAudio = kSampleRate / 10;

/// The language is to be found out.
[[nodiscard]] inline bool asks_for_detection(const std::string& language) {
    return language.empty() || language == "auto";
}

/// Whether a model may be asked for so many decoders. Errors: config_invalid.
[[nodiscard]] Result<void> check_decoders(const ModelSpec& spec, int most_decoders);

/// Errors: unsupported_language, unsupported_parameter (temperature, translation, more decoders than `spec` and
/// `most_decoders` allow), audio_invalid_samples.
[[nodiscard]] Result<void> check_request(const ModelInfo& info, const ModelSpec& spec, int most_decoders,
                                         AudioView audio, const TranscribeOptions& options);

}  // namespace hotmic::whisper
