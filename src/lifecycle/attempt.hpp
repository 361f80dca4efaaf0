/// One attempt to make a model ready.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "hotmic/model_manager.hpp"
#include "lifecycle/warmup_runner.hpp"

namespace hotmic {

/// What identifies a file's content cheaply: a permanent failure is not retried while it is the same.
struct FileFingerprint {
    bool exists = false;
    std::uintmax_t size = 0;
    std::filesystem::file_time_type modified{};
    friend bool operator==(const FileFingerprint&, const FileFingerprint&) = default;
};
[[nodiscard]] FileFingerprint fingerprint_of(const std::filesystem::path& path);

/// Shared by the thread that loads, the manager's watch, and everybody waiting for the outcome. Fields below the line
/// are guarded by the manager's mutex.
struct Attempt {
    Attempt(std::string instance_id, int attempt_number)
        : id(std::move(instance_id)), number(attempt_number), progress(id) {}

    const std::string id;  ///< the instance's
    const int number;      ///< in the current series, from 1
    const Clock::time_point began = Clock::now();
    LoadProgress progress;
    std::stop_source stop;

    // ──────────
    bool running = true;                  ///< its thread has not ended
    std::optional<Result<void>> outcome;  ///< set when READY or ERROR was published, or the load was cancelled
    std::optional<Error> stopped_as;      ///< why it was asked to stop, when it was
    std::optional<Error> lost;            ///< the engine died by itself before READY
    FileFingerprint file;                 ///< of the model file when the attempt began
    Clock::time_point stop_asked{};
    std::uint64_t beats = 0;  ///< progress.beats as last seen, and when it last changed
    Clock::time_point beat_at = began;
    std::optional<Clock::time_point> warmup_began{};
    WarmupProgress warmup{};
    std::jthread thread;
};

}  // namespace hotmic
