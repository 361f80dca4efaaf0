/// The inside of ModelManager. One class over four files, by who runs the code:
///   model_manager.cpp    callers: what may be asked of a manager, and the state machine
///   manager_attempt.cpp  the attempt's thread: from nothing to READY
///   manager_watch.cpp    the watch: limits, retries, deaths, idleness, canaries, and who waits to be called
///   manager_unload.cpp   the unload's thread
///   manager_status.cpp   what is told of all that
#pragma once

#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "hotmic/model_manager.hpp"
#include "lifecycle/attempt.hpp"
#include "lifecycle/canary.hpp"
#include "lifecycle/instance.hpp"
#include "lifecycle/quarantine.hpp"
#include "lifecycle/recovery.hpp"
#include "lifecycle/start_thread.hpp"

namespace hotmic {

[[nodiscard]] inline double to_ms(Clock::duration duration) {
    return std::chrono::duration<double, std::milli>(duration).count();
}

[[nodiscard]] inline Error shutting_down() {
    return {ErrorCode::shutting_down, "the server is shutting down", "send the request to another instance"};
}

/// All state is guarded by `mutex`; nothing slow happens under it, and nobody is called back.
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
    using Lock = std::unique_lock<std::mutex>;

    // The state machine. The mutex is held.
    void transition(ModelState to, std::string cause);
    Result<void> ask(const FileFingerprint& file);
    void begin_attempt(const std::string& cause, bool recovers = false);
    void begin_unload(Deadline drained_by, const std::string& cause);
    void ask_to_stop(Attempt& running, Error why);
    void fail_attempt(Attempt& failed, const Error& error);
    void die(const Error& error);
    bool try_next_way(const Error& error);
    void forget_ways();
    void enter_error(Error error, const FileFingerprint& file, const Recovery::Verdict& verdict);
    [[nodiscard]] bool wakes_on_demand() const;
    [[nodiscard]] bool is_awaited() const;
    [[nodiscard]] bool is_hopeless() const;

    // The attempt's thread.
    void run_attempt(Attempt& mine);
    Result<void> make_ready(Attempt& mine);
    MemoryBroker::Turn await_turn(Attempt& mine);
    Result<void> preflight(Attempt& mine);
    Result<void> warm_up(Attempt& mine, const std::shared_ptr<ModelInstance>& fresh,
                         const std::function<std::uint64_t()>& resident_bytes);
    void publish_ready(Attempt& mine, const std::shared_ptr<ModelInstance>& fresh, std::uint64_t bytes);
    void lost(const std::string& id, const Error& error);

    // The unload's thread.
    void run_unload(Unloading& mine);

    // The watch. Those that take the lock give it up while they do something slow.
    void watch_loop(const std::stop_token& stop);
    void check_limits(Clock::time_point now);
    bool tell_to_stop(Lock& lock);
    bool unload_here(Lock& lock);
    bool clear_dead(Lock& lock);
    bool retry(Clock::time_point now);
    bool look_at_file(Lock& lock, Clock::time_point now);
    bool rest_if_idle(Clock::time_point now);
    bool send_canary(Lock& lock, Clock::time_point now);
    bool answer_waiters(Lock& lock, Clock::time_point now);
    void suspect(const std::string& id);
    void canary_returned(const std::string& id, const Result<Transcript>& result, const RequestTimings& timings);
    [[nodiscard]] Clock::time_point next_check() const;

    // What is told. The mutex is held.
    [[nodiscard]] std::optional<double> eta(Clock::time_point now) const;
    [[nodiscard]] std::string reason() const;
    [[nodiscard]] Error not_ready() const;
    [[nodiscard]] std::unexpected<Error> timed_out() const;

    mutable std::mutex mutex;
    std::condition_variable_any changed;      // state, outcomes, ends of threads
    std::condition_variable_any watch_wakes;  // for the watch

    ModelState state = ModelState::uninitialized;
    Clock::time_point state_since = Clock::now();
    bool watch_due = false;    // something for the watch has happened since it last looked
    std::uint64_t rounds = 0;  // of the watch
    bool stopped = false;      // shutdown: nothing is loaded any more
    bool stops_due = false;    // an attempt was asked to stop and has not been told yet
    bool clearing = false;     // the watch is closing a lost instance
    bool unload_due = false;   // an unload for which there was no thread
    bool loaded_once = false;
    bool resting = false;  // unloaded for idleness
    bool wanted = false;   // a request asked for it, and others wait with that one

    std::size_t way = 0;      // of `ways`, for the next attempt
    std::string passed_over;  // why not those before it
    std::shared_ptr<Attempt> attempt;
    std::shared_ptr<ModelInstance> instance;  // the one that serves
    std::shared_ptr<ModelInstance>
        dead_instance;  // lost, to be cleared up by the watch, with the cause its requests are told
    std::optional<Error> death_cause;
    std::shared_ptr<Unloading> unloading;
    MemoryBroker::Reservation reservation;
    std::vector<Waiter> waiters;

    std::optional<Error> last_error;
    std::optional<FileFingerprint> failed_file;  // that a permanent failure is about
    FileFingerprint seen_file;                   // at the last look: a file that still grows is not tried
    Clock::time_point file_seen_at{};
    std::optional<Clock::time_point> retry_at;
    bool pausing = false;  // until then nothing is tried, for a long time
    Recovery recovery;
    const std::shared_ptr<Quarantine> quarantine;
    std::mt19937 random{std::random_device{}()};

    Canary canary;
    bool canary_flies = false;
    bool suspected = false;  // an inference failed: a canary is to tell whether that was the request's fault
    Clock::time_point canary_at{};

    std::optional<ModelInfo> info;
    std::optional<WarmupReport> warmup_report;
    double load_time_ms = 0;
    std::uint64_t resident = 0;

    std::jthread watch;
};

}  // namespace hotmic
