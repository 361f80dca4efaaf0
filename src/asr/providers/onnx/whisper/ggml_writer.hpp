/// A Whisper model, from whichever format, written as a file of whisper.cpp: f16 matrices, everything else f32.
#pragma once

#include <filesystem>
#include <stop_token>

#include "asr/providers/onnx/whisper/source.hpp"
#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"

namespace hotmic::onnx {

/// Writes beside `target` and renames when all of it is there. Errors: those of reading `source`; io_error, disk_full.
[[nodiscard]] Result<void> write_ggml(WhisperSource& source, const std::filesystem::path& target,
                                      LoadProgress& progress, const std::stop_token& stop);

}  // namespace hotmic::onnx
