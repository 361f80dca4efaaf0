/// Everything of a loaded Whisper model that its slots share. Nothing of it changes once it is made.
#pragma once

#include <utility>
#include <vector>

#include "asr/providers/onnx/whisper/decoder.hpp"
#include "asr/providers/onnx/whisper/encoder.hpp"
#include "asr/providers/onnx/whisper/rules.hpp"
#include "asr/providers/onnx/whisper/vocabulary.hpp"
#include "asr/providers/onnx/whisper/weights.hpp"
#include "hotmic/load_progress.hpp"
#include "hotmic/model_info.hpp"

namespace hotmic::onnx {

/// Lengths of window that the encoder is run with, in seconds: as long as the audio wants it, but not one for each.
inline constexpr double kWindows[]{4, 5, 6, 7, 8, 10, 12, 14, 17, 20, 23, 26, 30};
inline constexpr double kFullWindow = 30;
/// Silence behind the audio, without which the model does not know that it has ended.
inline constexpr double kSilenceBehind = 3;
/// The same where more audio follows, and the answer is provisional.
inline constexpr double kSilenceBehindProvisional = 2;
/// The shortest window for languages in which shorter ones have not been tried.
inline constexpr double kUntriedFloor = 10;

/// The window for so many seconds of audio with `behind` seconds of silence, none shorter than `floor`.
[[nodiscard]] double window_for(double seconds, double floor, double behind = kSilenceBehind);

struct Engine {
    ModelSpec spec;
    ModelInfo info;
    Vocabulary vocabulary;
    TokenRules rules;
    std::vector<float> mel_filters;
    std::vector<std::pair<int, int>> alignment_heads;
    Encoder encoder;
    Decoder decoder;
    /// Shortest window in which this model heard the built-in clip as it does in the full one, in seconds.
    double window_floor = kWindows[0];

    /// Reports signs of life to `progress`. Throws.
    Engine(ModelSpec model_spec, ModelInfo model_info, WhisperWeights weights, int threads, LoadProgress& progress);
};

}  // namespace hotmic::onnx
