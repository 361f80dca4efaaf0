/// The lifecycle of one model: load it, warm it, say truthfully where it is, lend it out, give everything back.
///
///             initialize                loaded                 warm
///   UNINITIALIZED ───────▶ LOADING ───────────────▶ WARMING_UP ───────────▶ READY
///         ▲                  │  ▲                       │                    │ │
///         │ unloaded         │  │ retry                 │ failed             │ │ lost
///         │                  ▼  │                       ▼                    │ │
///     UNLOADING ◀─────────  ERROR ◀─────────────────────┴────────────────────┼─┘
///         ▲                                                                  │
///         └──────────────────────────── unload / shutdown ───────────────────┘
///
/// Promises
///  1. Any number of concurrent `initialize` calls cause one load. A caller's deadline bounds only its own waiting.
///  2. A load ends by `load_timeout`, or `stall_timeout` after its last sign of life, whatever the engine does. With an
///     isolated provider the worker is gone by then and its memory is back.
///  3. READY is published in the same step that makes leases available, and withdrawn in the same step that ends them.
///  4. Nothing is unloaded under a lease before `drain_timeout`; then its work is cancelled, then the engine
///  terminated.
///  5. Every transition is journalled in order. No other transition than the table's exists.
///  6. `health()` never waits for a load, a warmup or an inference.
///
/// Thread safety: everything here may be called from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/health.hpp"
#include "hotmic/journal.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/lifecycle_options.hpp"
#include "hotmic/memory_broker.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/state.hpp"
#include "hotmic/warmup.hpp"

namespace hotmic {

/// Another way to run the same model file: on another backend, by another provider.
struct Alternative {
    ModelSpec spec{};                      ///< the same file, run otherwise
    std::shared_ptr<Provider> provider{};  ///< by this one
};

/// Owns a model name.
class ModelManager {
public:
    /// `provider` loads the model; `broker` and `journal` may be shared between managers and must outlive this.
    /// `alternatives` are tried in turn where that cannot run the model, or is disqualified: its answers to the warmup
    /// clip are wrong, or not the same each time.
    ModelManager(std::string name, ModelSpec spec, std::shared_ptr<Provider> provider, LifecycleOptions options,
                 MemoryBroker& broker, Journal& journal, std::vector<Alternative> alternatives = {});
    /// Unloads without waiting for requests.
    ~ModelManager();
    ModelManager(const ModelManager&) = delete;
    ModelManager& operator=(const ModelManager&) = delete;

    /// Asks for the model and waits until READY, a failure, or `deadline` (wait_timeout; the attempt goes on). In ERROR
    /// with a permanent cause this returns that cause without trying, unless the file has changed since. Errors: the
    /// attempt's cause; wait_timeout; load_cancelled (an unload came between); shutting_down.
    [[nodiscard]] Result<void> initialize(Deadline deadline);

    /// Asks for the model without waiting.
    void start();

    /// Forgets what stands in the way of another attempt: a permanent failure, a crash loop. For operators; `start` or
    /// `initialize` then tries.
    void forgive();

    /// Waits for READY without asking for anything. Errors: as initialize, model_not_loaded at once if nothing is on
    /// its way.
    [[nodiscard]] Result<void> wait_for_ready(Deadline deadline);

    /// Errors: model_not_loaded (not asked for, loading or warming up: message says how far), model_unloaded,
    /// model_failed.
    [[nodiscard]] Result<Lease> acquire();

    /// Calls `then` once: with a lease as soon as one can be had, or with why there will be none; wait_timeout at
    /// `deadline`. A model that rests (`idle_unload`) or is loaded on demand is asked for by this. `then` runs on a
    /// thread of the manager's and must not block. `lost`: an instance whose requests end with model_lost; its death
    /// may not have been noticed here yet, and it is not lent again.
    void when_ready(Deadline deadline, std::function<void(Result<Lease>)> then, std::string lost = {});

    /// Gives everything back: cancels a load, or drains, cancels, terminates. Waits for that until `deadline`; Errors:
    /// unload_timeout (the unload goes on). Nothing loaded: an empty report at once. `drain` overrides `drain_timeout`.
    [[nodiscard]] Result<UnloadReport> unload(Deadline deadline, std::optional<std::chrono::milliseconds> drain = {});

    /// Unloads and refuses every later `initialize` with shutting_down.
    [[nodiscard]] Result<UnloadReport> shutdown(Deadline deadline, std::optional<std::chrono::milliseconds> drain = {});

    /// How it stands; never waits.
    [[nodiscard]] Health health() const;
    /// Has the thread that watches over deadlines, deaths and retries come round once more, soon, and gives how often
    /// it has so far. A number that no longer grows tells that it is stuck.
    [[nodiscard]] std::uint64_t come_round();
    /// Of the instance that is READY, or was the last to be. Empty: none was.
    [[nodiscard]] std::optional<WarmupReport> warmup_report() const;
    /// Empty: nothing was unloaded yet.
    [[nodiscard]] std::optional<UnloadReport> last_unload() const;
    /// That it was made with.
    [[nodiscard]] const std::string& name() const noexcept;
    /// Of what is loaded now, or would be.
    [[nodiscard]] const ModelSpec& spec() const noexcept;
    /// That it was made with.
    [[nodiscard]] const LifecycleOptions& options() const noexcept;
    /// Where its transitions are recorded.
    [[nodiscard]] const Journal& journal() const noexcept;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace hotmic
