/// One attempt to make a model ready.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "hotmic/error.hpp"
#include "hotmic/lifecycle_options.hpp"
#include "hotmic/load_progress.hpp"
#include "hotmic/model_manager.hpp"
#include "hotmic/state.hpp"
#include "lifecycle/fingerprint.hpp"
#include "lifecycle/warmup_runner.hpp"

namespace hotmic {

/// Shared by the thread that loads, the manager's watch, and everybody waiting for the outcome. Fields below the line
/// are guarded by the manager's mutex.
struct Attempt {
    Attempt(std::string model_name, std::string instance_id, Alternative how, int attempt_number, bool recovers)
        : model(std::move(model_name)),
          id(std::move(instance_id)),
          way(std::move(how)),
          number(attempt_number),
          recovery(recovers),
          progress(id) {}

    const std::string model;
    const std::string id;   ///< the instance's
    const Alternative way;  ///< the model is to run
    const int number;       ///< in the current series, from 1
    const bool recovery;    ///< of a model that was READY: users miss it, so it does not wait for its turn
    LoadProgress progress;
    std::stop_source stop;
    WarmupFindings findings;  ///< its thread's

    // ──────────
    bool running = true;                     ///< its thread has not ended
    bool waiting = false;                    ///< for its turn to load
    Clock::time_point began = Clock::now();  ///< to load, not counting the wait
    std::optional<Result<void>> outcome;     ///< set when READY or ERROR was published, or the load was cancelled
    std::optional<Error> stopped_as;         ///< why it was asked to stop, when it was
    std::optional<Error> lost;               ///< the engine died by itself before READY
    FileFingerprint file;                    ///< of the model file when the attempt began
    Clock::time_point stop_asked{};
    std::uint64_t beats = 0;  ///< progress.beats as last seen, and when it last changed
    Clock::time_point beat_at = began;
    std::optional<Clock::time_point> warmup_began{};
    WarmupProgress warmup{};
    std::jthread thread;
};

/// Why the attempt must be stopped at `now`, if it must: it is over the time of its phase, or shows no sign of life.
[[nodiscard]] std::optional<Error> limit_passed(Attempt& attempt, ModelState phase, const LifecycleOptions& options,
                                                Clock::time_point now);
/// When to look again.
[[nodiscard]] Clock::time_point next_look(const Attempt& attempt, ModelState phase, const LifecycleOptions& options,
                                          Clock::time_point now);

}  // namespace hotmic
