/// The inside of ModelManager. One class over four files, by who runs the code:
///   model_manager.cpp    callers: what may be asked of a manager, and the state machine
///   manager_attempt.cpp  the attempt's thread: from nothing to READY
///   manager_watch.cpp    the watch: limits, retries, deaths, idleness, canaries, and who waits to be called
///   manager_unload.cpp   the unload's thread
///   manager_status.cpp   what is told of all that
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/health.hpp"
#include "hotmic/journal.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/lifecycle_options.hpp"
#include "hotmic/memory_broker.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/model_manager.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/state.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "hotmic/warmup.hpp"
#include "lifecycle/attempt.hpp"
#include "lifecycle/canary.hpp"
#include "lifecycle/fingerprint.hpp"
#include "lifecycle/instance.hpp"
#include "lifecycle/quarantine.hpp"
#include "lifecycle/recovery.hpp"
#include "system/mutex.hpp"

namespace hotmic {

[[nodiscard]] inline Error shutting_down() {
    return {ErrorCode::shutting_down, "the server is shutting down", "send the request to another instance"};
}

/// One mutex guards all state; nothing slow happens under it, and nobody is called back.
class ModelManager::Impl {
public:
    Impl(std::string model_name, ModelSpec model_spec, std::shared_ptr<Provider> engine, LifecycleOptions opts,
         MemoryBroker& memory, Journal& record, std::vector<Alternative> others);
    ~Impl();
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    const std::string name;
    const ModelSpec spec;  // the first way; the file is the same in all of them
    const std::vector<Alternative> ways;
    const LifecycleOptions options;
    MemoryBroker& broker;
    Journal& journal;

    Result<void> initialize(Deadline deadline);
    void start();
    void forgive();
    Result<void> wait_for_ready(Deadline deadline);
    Result<Lease> acquire();
    void when_ready(Deadline deadline, std::function<void(Result<Lease>)> then, std::string lost_instance);
    Result<UnloadReport> unload(Deadline deadline, std::optional<std::chrono::milliseconds> drain);
    Result<UnloadReport> shutdown(Deadline deadline, std::optional<std::chrono::milliseconds> drain);
    Health health() const;
    std::uint64_t come_round();
    std::optional<WarmupReport> report() const;
    std::optional<UnloadReport> last_unload() const;

private:
    struct Unloading {
        bool done = false;
        Deadline drained_by;
        std::shared_ptr<ModelInstance> leaving;
        UnloadReport report;
        std::jthread thread;
    };
    /// Somebody to be called when there is a lease, or none to be had.
    struct Waiter {
        Deadline deadline;
        std::function<void(Result<Lease>)> then;
        std::string lost;  // an instance that is of no use
    };

    // The state machine.
    void transition(ModelState to, std::string cause) HOTMIC_REQUIRES(mutex);
    void wake_watch() HOTMIC_REQUIRES(mutex);
    Result<void> ask(const FileFingerprint& file) HOTMIC_REQUIRES(mutex);
    void begin_attempt(const std::string& cause, bool recovers = false) HOTMIC_REQUIRES(mutex);
    void begin_unload(Deadline drained_by, const std::string& cause) HOTMIC_REQUIRES(mutex);
    void ask_to_stop(Attempt& running, Error why) HOTMIC_REQUIRES(mutex);
    void fail_attempt(Attempt& failed, const Error& error) HOTMIC_REQUIRES(mutex);
    void die(const Error& error) HOTMIC_REQUIRES(mutex);
    bool try_next_way(const Error& error) HOTMIC_REQUIRES(mutex);
    void forget_ways() HOTMIC_REQUIRES(mutex);
    void enter_error(Error error, const FileFingerprint& file, const Recovery::Verdict& verdict) HOTMIC_REQUIRES(mutex);
    [[nodiscard]] bool wakes_on_demand() const HOTMIC_REQUIRES(mutex);
    [[nodiscard]] bool is_awaited() const HOTMIC_REQUIRES(mutex);
    [[nodiscard]] bool is_winding_up() const HOTMIC_REQUIRES(mutex);
    [[nodiscard]] bool is_hopeless() const HOTMIC_REQUIRES(mutex);

    // The attempt's thread.
    void run_attempt(Attempt& mine);
    Result<void> make_ready(Attempt& mine);
    MemoryBroker::Turn await_turn(Attempt& mine);
    Result<void> preflight(Attempt& mine);
    Result<void> warm_up(Attempt& mine, const std::shared_ptr<ModelInstance>& fresh,
                         const std::function<Bytes()>& resident_now);
    void publish_ready(Attempt& mine, const std::shared_ptr<ModelInstance>& fresh, Bytes size) HOTMIC_REQUIRES(mutex);
    void lost(const std::string& id, const Error& error);

    // The unload's thread.
    void run_unload(Unloading& mine);

    // The watch. What it does that is slow it does with the mutex let go.
    void watch_loop(const std::stop_token& stop);
    void check_limits(Clock::time_point now) HOTMIC_REQUIRES(mutex);
    bool tell_to_stop() HOTMIC_REQUIRES(mutex);
    bool unload_here() HOTMIC_REQUIRES(mutex);
    bool clear_dead() HOTMIC_REQUIRES(mutex);
    bool retry(Clock::time_point now) HOTMIC_REQUIRES(mutex);
    bool look_at_file(Clock::time_point now) HOTMIC_REQUIRES(mutex);
    bool rest_if_idle(Clock::time_point now) HOTMIC_REQUIRES(mutex);
    bool send_canary(Clock::time_point now) HOTMIC_REQUIRES(mutex);
    bool answer_waiters(Clock::time_point now) HOTMIC_REQUIRES(mutex);
    void suspect(const std::string& id);
    void canary_returned(const std::string& id, const Result<Transcript>& result, const RequestTimings& timings);
    [[nodiscard]] Clock::time_point next_check() const HOTMIC_REQUIRES(mutex);

    // What is told.
    [[nodiscard]] std::optional<Seconds> eta(Clock::time_point now) const HOTMIC_REQUIRES(mutex);
    [[nodiscard]] std::string reason() const HOTMIC_REQUIRES(mutex);
    [[nodiscard]] Error not_ready() const HOTMIC_REQUIRES(mutex);
    [[nodiscard]] std::unexpected<Error> timed_out() const HOTMIC_REQUIRES(mutex);

    mutable Mutex mutex;
    Condition changed;               // state, outcomes, ends of threads
    StoppableCondition watch_wakes;  // for the watch

    ModelState state HOTMIC_GUARDED_BY(mutex) = ModelState::uninitialized;
    Clock::time_point state_since HOTMIC_GUARDED_BY(mutex) = Clock::now();
    bool watch_due HOTMIC_GUARDED_BY(mutex) = false;    // something for the watch has happened since it last looked
    std::uint64_t rounds HOTMIC_GUARDED_BY(mutex) = 0;  // of the watch
    bool stopped HOTMIC_GUARDED_BY(mutex) = false;      // shutdown: nothing is loaded any more
    bool stops_due HOTMIC_GUARDED_BY(mutex) = false;    // an attempt was asked to stop and has not been told yet
    bool clearing HOTMIC_GUARDED_BY(mutex) = false;     // the watch is closing a lost instance
    bool unload_due HOTMIC_GUARDED_BY(mutex) = false;   // an unload for which there was no thread
    bool loaded_once HOTMIC_GUARDED_BY(mutex) = false;
    bool resting HOTMIC_GUARDED_BY(mutex) = false;  // unloaded for idleness
    bool wanted HOTMIC_GUARDED_BY(mutex) = false;   // a request asked for it, and others wait with that one

    std::size_t way HOTMIC_GUARDED_BY(mutex) = 0;      // of `ways`, for the next attempt
    std::string passed_over HOTMIC_GUARDED_BY(mutex);  // why not those before it
    std::shared_ptr<Attempt> attempt HOTMIC_GUARDED_BY(mutex);
    std::shared_ptr<ModelInstance> instance HOTMIC_GUARDED_BY(mutex);       // the one that serves
    std::shared_ptr<ModelInstance> dead_instance HOTMIC_GUARDED_BY(mutex);  // lost: the watch is to clear it up
    std::optional<Error> death_cause HOTMIC_GUARDED_BY(mutex);              // that its requests are told
    std::shared_ptr<Unloading> unloading HOTMIC_GUARDED_BY(mutex);
    MemoryBroker::Reservation reservation HOTMIC_GUARDED_BY(mutex);
    std::vector<Waiter> waiters HOTMIC_GUARDED_BY(mutex);

    std::optional<Error> last_error HOTMIC_GUARDED_BY(mutex);
    std::optional<FileFingerprint> failed_file HOTMIC_GUARDED_BY(mutex);  // that a permanent failure is about
    FileFingerprint seen_file HOTMIC_GUARDED_BY(mutex);  // at the last look: one that grows is not tried
    Clock::time_point file_seen_at HOTMIC_GUARDED_BY(mutex){};
    std::optional<Clock::time_point> retry_at HOTMIC_GUARDED_BY(mutex);
    bool pausing HOTMIC_GUARDED_BY(mutex) = false;  // until then nothing is tried, for a long time
    Recovery recovery HOTMIC_GUARDED_BY(mutex);
    const std::shared_ptr<Quarantine> quarantine;
    std::mt19937 random HOTMIC_GUARDED_BY(mutex){std::random_device{}()};

    Canary canary HOTMIC_GUARDED_BY(mutex);
    bool canary_flies HOTMIC_GUARDED_BY(mutex) = false;
    bool suspected HOTMIC_GUARDED_BY(mutex) = false;  // an inference failed: was that the request's fault?
    Clock::time_point canary_at HOTMIC_GUARDED_BY(mutex){};

    std::optional<ModelInfo> info HOTMIC_GUARDED_BY(mutex);
    std::optional<WarmupReport> warmup_report HOTMIC_GUARDED_BY(mutex);
    Seconds load_time HOTMIC_GUARDED_BY(mutex){};
    Bytes resident HOTMIC_GUARDED_BY(mutex);

    std::jthread watch;
};

}  // namespace hotmic
