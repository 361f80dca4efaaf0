/// What a model says of itself, for probes, people and metrics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"

namespace hotmic {

/// What one slot is doing.
struct SlotActivity {
    std::string request{};            ///< its id ("-" where it has none); empty: the slot is free
    Seconds running{};                ///< so far
    bool background = false;          ///< a canary or a warmup, which makes way
    Seconds recognized{};             ///< of its audio, so far
    std::optional<Seconds> length{};  ///< of all of it, where that is known
};

/// How busy the slots are.
struct QueueStatus {
    int slots = 0;                         ///< there are
    int busy = 0;                          ///< of them
    std::size_t waiting = 0;               ///< requests
    std::size_t max_waiting = 0;           ///< that may
    Seconds mean_service{};                ///< moving mean of inference time, for estimating a wait
    std::vector<SlotActivity> activity{};  ///< by slot
};

/// What is served to probes and people. A consistent snapshot.
struct Health {
    std::string model{};                           ///< the name
    std::string provider{};                        ///< that runs it
    std::string instance{};                        ///< the load it is about
    ModelState state = ModelState::uninitialized;  ///< where it is
    bool ready = false;                            ///< READY, and lent out
    bool warmup_complete = false;                  ///< all levels that were asked for
    bool resting = false;               ///< not loaded, and the next request loads it: idle_unload, load_on_demand
    bool awaited = false;               ///< not READY, but requests wait for it: it rests, or is being loaded for one
    std::string reason{};               ///< why not ready, in words; empty when ready
    std::string shortfall{};            ///< READY, but short of a target; see WarmupReport
    std::string slower{};               ///< READY, but slower than usual; see WarmupReport
    std::string passed_over{};          ///< what it was to run on at first, and why it does not; empty when it does
    std::optional<Error> last_error{};  ///< why the last attempt or instance failed
    std::optional<ModelInfo> info{};    ///< once loaded
    LoadProgress::Snapshot progress{};  ///< of the load under way
    int warmup_level = 0;               ///< the level that is running
    std::optional<Seconds> eta{};       ///< until READY, as far as it can be told
    Seconds load_time{};                ///< of the current or last instance
    Seconds warmup_time{};              ///< of the current or last instance
    Seconds state_age{};                ///< since it came into this state
    int attempt = 0;                    ///< of the current series of attempts
    std::optional<Seconds> retry_in{};  ///< until the next attempt; empty: none is planned
    int deaths = 0;                     ///< while READY, within the crash loop's window
    std::optional<Seconds> canary_latency{};      ///< of the last canary inference
    int canary_failures = 0;                      ///< in a row
    Bytes resident{};                             ///< measured after load and after warmup
    std::uint64_t requests = 0;                   ///< answered since READY, without warmup
    Seconds mean_inference{};                     ///< of those
    std::optional<double> first_request_ratio{};  ///< latency per audio second of the first request ÷ warm steady state
    QueueStatus queue{};                          ///< how busy it is
};

/// Proof of giving back.
struct UnloadReport {
    Bytes resident_before{};     ///< of the model, while it was loaded
    Bytes resident_after{};      ///< of the model, afterwards
    bool process_gone = false;   ///< it ran in a worker, and that process has been reaped
    int cancelled_requests = 0;  ///< still running at `drain_timeout`
    Seconds duration{};          ///< of the unload
};

}  // namespace hotmic
