/// libwhisper's voice activity detector: a Silero network in ggml's format.
/// https://github.com/ggml-org/whisper.cpp#voice-activity-detection-vad
#pragma once

#include <filesystem>
#include <memory>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/voice.hpp"

namespace hotmic::whisper_cpp {

/// Reads the file; detectors are made of what was read then. The engine trusts such a file with its life, so whoever
/// does not should try it in another process first (`try_vad_model`). Errors: model_file_missing,
/// model_file_unreadable.
[[nodiscard]] Result<std::shared_ptr<const VadModel>> read_vad_model(const std::filesystem::path& path);

/// Whether it tells speech from silence. `speech`: seconds of it. Errors, besides the engine ending the process:
/// model_not_recognized, model_corrupt.
[[nodiscard]] Result<void> try_vad_model(const VadModel& model, AudioView speech);

}  // namespace hotmic::whisper_cpp
