/// The VAD model of the configuration, tried before it is trusted.
#pragma once

#include <filesystem>
#include <memory>

#include "hotmic/error.hpp"
#include "hotmic/voice.hpp"

namespace hotmic::cli {

/// The VAD model to be used: the one that is configured, else the newest `ggml-silero-….bin` in the models' folder;
/// empty where there is none.
[[nodiscard]] std::filesystem::path find_vad_model(const std::filesystem::path& configured,
                                                   const std::filesystem::path& models_dir);

/// What goes without: for the log and `hotmic doctor`.
inline constexpr const char* kNoVadModel =
    "no trained voice detector: only long silence is told from speech, and music or noise may be heard as words";
inline constexpr const char* kGetVadModel =
    "put whisper.cpp's ggml-silero-….bin into the models' folder, or set server.vad_model";

/// Null for an empty path. The engine ends its process over a bad file, so it is tried in one of its own first, which
/// takes a tenth of a second. Errors: model_file_missing, model_file_unreadable, model_corrupt, worker_start_failed.
[[nodiscard]] Result<std::shared_ptr<const VadModel>> load_vad_model(const std::filesystem::path& path);

/// What that process does: `hotmic try-vad-model FILE`. Exit code 0, or 1 and why on standard output.
int try_vad_model(const std::filesystem::path& path);

}  // namespace hotmic::cli
