/// The VAD model of the configuration, tried before it is trusted.
#pragma once

#include <filesystem>
#include <memory>

#include "hotmic/voice.hpp"

namespace hotmic::cli {

/// Null for an empty path. The engine ends its process over a bad file, so it is tried in one of its own first, which
/// takes a tenth of a second. Errors: model_file_missing, model_file_unreadable, model_corrupt, worker_start_failed.
[[nodiscard]] Result<std::shared_ptr<const VadModel>> load_vad_model(const std::filesystem::path& path);

/// What that process does: `hotmic try-vad-model FILE`. Exit code 0, or 1 and why on standard output.
int try_vad_model(const std::filesystem::path& path);

}  // namespace hotmic::cli
