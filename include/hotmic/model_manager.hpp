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
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "hotmic/provider.hpp"
#include "hotmic/warmup.hpp"

namespace hotmic {

enum class ModelState : std::uint8_t {
    uninitialized,  ///< nothing is loaded and nothing is on its way
    loading,        ///< weights are being read
    warming_up,     ///< weights are resident; warmup inferences run
    ready,          ///< leases can be had
    error,          ///< the last attempt failed, or the model was lost; the cause is kept
    unloading,      ///< leases drain, then everything is given back
};

/// "UNINITIALIZED", "LOADING", …: the names in APIs, logs and metrics.
[[nodiscard]] std::string_view to_string(ModelState state) noexcept;
/// The transition table.
[[nodiscard]] bool is_allowed(ModelState from, ModelState to) noexcept;

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;
[[nodiscard]] inline Deadline in(std::chrono::milliseconds patience) {
    return Clock::now() + patience;
}

/// One step of one model's life.
struct Transition {
    std::uint64_t sequence = 0;  ///< 1, 2, 3 … without gaps within a journal
    std::chrono::system_clock::time_point wall{};
    Clock::time_point monotonic{};
    std::string model;
    std::string instance;  ///< the load this belongs to; the correlation id of its log lines
    ModelState from = ModelState::uninitialized;
    ModelState to = ModelState::uninitialized;
    std::string cause;
    std::chrono::nanoseconds phase{};  ///< how long `from` lasted
};

/// The record of transitions: appended under the manager's lock, read by anybody in order, none lost while it is among
/// the last `capacity`.
class Journal {
public:
    explicit Journal(std::size_t capacity = 4096);
    ~Journal();

    std::uint64_t append(Transition transition);
    /// All kept transitions with a sequence number above `after`, oldest first.
    [[nodiscard]] std::vector<Transition> since(std::uint64_t after) const;
    /// The same, but waits until there is at least one, `deadline` passes, or `stop` is requested (then: empty).
    [[nodiscard]] std::vector<Transition> wait_since(std::uint64_t after, Deadline deadline,
                                                     std::stop_token stop = {}) const;
    [[nodiscard]] std::uint64_t last_sequence() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// What loads have to share: memory, promised to those that are under way, so that two never count the same gigabyte;
/// and turns, so that no more of them run at once than are allowed. Shared by all managers of a process.
class MemoryBroker {
public:
    /// `parallel_loads` at once, at most; 0: any number. `available` tells how many bytes could be had right now; by
    /// default the least of MemAvailable, what is left under the cgroup's limit (v1 or v2), and RLIMIT_AS/DATA's rest.
    explicit MemoryBroker(std::function<std::uint64_t()> available = {}, int parallel_loads = 0);
    explicit MemoryBroker(int parallel_loads) : MemoryBroker({}, parallel_loads) {}
    ~MemoryBroker();

    /// A claim on memory; returns it when destroyed.
    class Reservation {
    public:
        Reservation() = default;
        Reservation(MemoryBroker* broker, std::uint64_t bytes) : broker_(broker), bytes_(bytes) {}
        Reservation(Reservation&& other) noexcept;
        Reservation& operator=(Reservation&& other) noexcept;
        ~Reservation();
        [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
        /// The model is resident: its memory shows in what is available by itself, so it is claimed no longer twice.
        void settle() noexcept;

    private:
        MemoryBroker* broker_ = nullptr;
        std::uint64_t bytes_ = 0;
    };

    /// Gives a turn back when the last copy is destroyed.
    using Turn = std::shared_ptr<void>;
    /// Waits until fewer than `parallel_loads` others have a turn; null when `stop` is requested before.
    [[nodiscard]] Turn wait_turn(const std::stop_token& stop);

    /// Errors: insufficient_memory, with what is needed and what is available.
    [[nodiscard]] Result<Reservation> reserve(std::uint64_t bytes, std::string_view what);
    [[nodiscard]] std::uint64_t available() const;
    [[nodiscard]] std::uint64_t reserved() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// Trying again after a failure that may pass.
struct RetryPolicy {
    int max_attempts = 3;  ///< attempts in a row, the first included; 1 never retries
    std::chrono::milliseconds initial_backoff{1000};
    std::chrono::milliseconds max_backoff{60'000};
    double jitter = 0.2;  ///< each backoff is scaled by a random factor in [1 - jitter, 1 + jitter]
};

/// Keeping a ready model ready.
struct SuperviseOptions {
    /// A worker whose event loop answers nothing for this long is hung, and treated as dead; 0: never asked.
    std::chrono::milliseconds heartbeat_timeout{10'000};
    /// This many deaths within the window stop the recovery: the model stays in ERROR with `crash_loop` until its file
    /// changes or an operator asks for it.
    int crash_loop_deaths = 5;
    std::chrono::milliseconds crash_loop_window{600'000};
    /// An idle model proves itself by an inference this often; 0: only after the engine has failed a request.
    std::chrono::milliseconds canary_interval{0};
    /// A canary slower than this many times the warm latency is a failed one.
    double canary_latency_factor = 5;
    /// In ERROR for a permanent reason, the model file is looked at this often: a changed one is tried.
    std::chrono::milliseconds file_check_interval{2'000};
};

struct LifecycleOptions {
    std::chrono::milliseconds load_timeout{300'000};
    std::chrono::milliseconds stall_timeout{30'000};
    std::chrono::milliseconds drain_timeout{30'000};
    /// How long cancelled work may take to stop before the engine is terminated.
    std::chrono::milliseconds cancel_grace{2'000};
    std::size_t max_waiting = 64;                        ///< requests waiting for a slot
    std::chrono::milliseconds queue_timeout{30'000};     ///< longest wait for a slot
    std::chrono::milliseconds request_timeout{600'000};  ///< longest inference of one request
    /// `when_ready` loads the model when nobody has asked for it before.
    bool load_on_demand = false;
    /// A model without a request for this long is unloaded; the next request loads it again. 0: never.
    std::chrono::milliseconds idle_unload{0};
    WarmupOptions warmup{};
    /// Where steady latencies are kept, for comparing warmups with earlier ones on this machine; empty: nowhere.
    std::filesystem::path baseline_folder{};
    RetryPolicy retry{};
    SuperviseOptions supervise{};
};

/// One request to a ready model.
struct Request {
    std::unique_ptr<AudioSource> audio;
    std::unique_ptr<WindowCutter> cutter{};  ///< null: about once a minute, in a pause
    TranscribeOptions options{};
    SegmentSink on_segment{};  ///< on the slot's thread
    std::stop_token stop{};
    std::string id{};           ///< appears in log lines
    std::optional<int> slot{};  ///< only this slot may take it (warmup covers every slot with it)
    /// Which utterance it is of, if that grows (options.growing): the slot that has heard what came before takes it,
    /// if it is free, and others avoid that slot until something else of the utterance has been heard. 0: none.
    std::uint64_t utterance = 0;
    bool background = false;  ///< makes way for any other request, and counts as no use of the model
    /// When its answer is wanted: of those that wait for a slot, the earliest goes first. By default `kPatience` after
    /// it was submitted, and after each window of a long recording again, so that neither files nor streams starve.
    std::optional<Clock::time_point> wanted_by{};

    static constexpr std::chrono::milliseconds kPatience{3'000};
};

/// How one request went, for logs and metrics.
struct RequestTimings {
    std::chrono::nanoseconds queued{};
    std::chrono::nanoseconds inference{};
    double audio_seconds = 0;
    int slot = -1;
};

using Completion = std::function<void(Result<Transcript>, const RequestTimings&)>;

class ModelInstance;

/// The right to use a ready instance. Cheap to move; gives the right back when destroyed. A lease outlives an unload
/// that ran out of patience: its requests then end with `model_unloaded` or `model_lost`.
class Lease {
public:
    Lease() = default;
    explicit Lease(std::shared_ptr<ModelInstance> instance);
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&& other) noexcept;
    ~Lease();

    [[nodiscard]] explicit operator bool() const noexcept { return instance_ != nullptr; }

    /// Queues the request for a slot; `done` is called exactly once, on a slot's thread or (when it never got one) on
    /// any thread, possibly before this returns. It must not block. The instance stays leased until then, whatever
    /// becomes of this object. Errors given to `done`: queue_full, queue_timeout, request_timeout, cancelled,
    /// model_lost, model_unloaded, and those of Recognizer::transcribe and AudioSource::read.
    void submit(Request request, Completion done) const;

    /// The same, waiting for the answer.
    [[nodiscard]] Result<Transcript> transcribe(Request request, RequestTimings* timings = nullptr) const;

    [[nodiscard]] const std::string& instance_id() const noexcept;
    [[nodiscard]] const ModelInfo& model() const noexcept;

private:
    std::shared_ptr<ModelInstance> instance_;
};

/// What one slot is doing.
struct SlotActivity {
    std::string request{};                        ///< its id ("-" where it has none); empty: the slot is free
    double running_ms = 0;                        ///< so far
    bool background = false;                      ///< a canary or a warmup, which makes way
    double audio_seconds = 0;                     ///< recognized so far
    std::optional<double> audio_total_seconds{};  ///< of all of it, where that is known
};

/// How busy the slots are.
struct QueueStatus {
    int slots = 0;
    int busy = 0;
    std::size_t waiting = 0;
    std::size_t max_waiting = 0;
    double mean_service_ms = 0;            ///< moving mean of inference time, for estimating a wait
    std::vector<SlotActivity> activity{};  ///< by slot
};

/// What is served to probes and people. A consistent snapshot.
struct Health {
    std::string model{};
    std::string provider{};
    std::string instance{};
    ModelState state = ModelState::uninitialized;
    bool ready = false;
    bool warmup_complete = false;
    bool resting = false;     ///< not loaded, and the next request loads it: idle_unload, load_on_demand
    std::string reason{};     ///< why not ready, in words; empty when ready
    std::string shortfall{};  ///< READY, but short of a target; see WarmupReport
    std::string slower{};     ///< READY, but slower than usual; see WarmupReport
    std::optional<Error> last_error{};
    std::optional<ModelInfo> info{};  ///< once loaded
    LoadProgress::Snapshot progress{};
    int warmup_level = 0;                 ///< the level that is running
    std::optional<double> eta_seconds{};  ///< until READY, as far as it can be told
    double load_time_ms = 0;              ///< of the current or last instance
    double warmup_time_ms = 0;
    double state_age_ms = 0;
    int attempt = 0;  ///< of the current series of attempts
    std::optional<double> retry_in_seconds{};
    int deaths = 0;                               ///< while READY, within the crash loop's window
    std::optional<double> canary_ms{};            ///< latency of the last canary inference
    int canary_failures = 0;                      ///< in a row
    std::uint64_t resident_bytes = 0;             ///< measured after load and after warmup
    std::uint64_t requests = 0;                   ///< answered since READY, without warmup
    double mean_inference_ms = 0;                 ///< of those
    std::optional<double> first_request_ratio{};  ///< latency per audio second of the first request ÷ warm steady state
    QueueStatus queue{};
};

/// Proof of giving back.
struct UnloadReport {
    std::uint64_t resident_before_bytes = 0;  ///< of the model, while it was loaded
    std::uint64_t resident_after_bytes = 0;   ///< of the model, afterwards
    bool process_gone = false;                ///< it ran in a worker, and that process has been reaped
    int cancelled_requests = 0;               ///< still running at `drain_timeout`
    double duration_ms = 0;
};

/// Owns a model name.
class ModelManager {
public:
    /// `provider` loads the model; `broker` and `journal` may be shared between managers and must outlive this.
    ModelManager(std::string name, ModelSpec spec, std::shared_ptr<Provider> provider, LifecycleOptions options,
                 MemoryBroker& broker, Journal& journal);
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

    [[nodiscard]] Health health() const;
    [[nodiscard]] std::optional<WarmupReport> warmup_report() const;
    [[nodiscard]] std::optional<UnloadReport> last_unload() const;
    [[nodiscard]] const std::string& name() const noexcept;
    [[nodiscard]] const ModelSpec& spec() const noexcept;
    [[nodiscard]] const LifecycleOptions& options() const noexcept;
    [[nodiscard]] const Journal& journal() const noexcept;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace hotmic
