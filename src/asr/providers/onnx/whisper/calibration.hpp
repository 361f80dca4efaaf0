/// How short a window this model may be given, found out with speech whose text is known.
#pragma once

#include <memory>
#include <stop_token>

#include "asr/providers/onnx/whisper/engine.hpp"
#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"

namespace hotmic::onnx {

/// Sets `window_floor` of `engine`, which nobody else uses yet: the shortest window from which on the built-in clip and
/// its first sentence are heard as in the full window. A model that does not hear the clip keeps the full window.
/// Reports signs of life to `progress`. Errors: cancelled, those of Recognizer::transcribe.
[[nodiscard]] Result<void> calibrate(const std::shared_ptr<Engine>& engine, LoadProgress& progress,
                                     const std::stop_token& stop);

}  // namespace hotmic::onnx
