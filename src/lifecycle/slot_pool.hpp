/// The slots of one model: a bounded queue in front, one long-lived thread behind each recognizer.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "hotmic/model_manager.hpp"

namespace hotmic {

/// Requests wait here for a slot and are answered exactly once, whatever happens. Whose answer is wanted first goes
/// first. An utterance that grows goes to the slot that heard its beginning, and others go elsewhere while another is
/// free. A long recording gives its slot up between two windows when somebody else is more urgent.
///
/// Threads: one per slot, which makes its recognizer, runs every inference on it and destroys it (engines keep
/// per-thread state, and OpenMP a team per calling thread); one sweeper, which ends what has waited or run too long.
/// `submit` and the rest may be called from any thread.
class SlotPool {
public:
    struct Limits {
        std::size_t max_waiting = 64;
        std::chrono::milliseconds queue_timeout{30'000};
        std::chrono::milliseconds request_timeout{600'000};
        /// A request that runs on for this long after `request_timeout` has asked it to stop is stuck: `on_stuck` is
        /// told, once, on the sweeper's thread. Empty: an engine that cannot be ended is waited for.
        std::chrono::milliseconds cancel_grace{2'000};
        std::function<void(const Error&)> on_stuck{};
    };

    /// Makes `model.info().slots` recognizers, each on its own thread, and waits for them. `beat` is called after each.
    /// Errors: the first recognizer's that could not be made. `model` must outlive the pool.
    [[nodiscard]] static Result<std::unique_ptr<SlotPool>> open(Model& model, const Limits& limits,
                                                                const std::function<void()>& beat = {});
    /// Ends everything as `cancel_all` does, waits for it, and joins the threads.
    ~SlotPool();
    SlotPool(const SlotPool&) = delete;
    SlotPool& operator=(const SlotPool&) = delete;

    /// See Lease::submit.
    void submit(Request request, Completion done);

    /// Refuses what comes from now on and asks everything waiting or running to stop; all of it ends with `why`.
    /// Returns how many requests that concerned.
    int cancel_all(Error why);

    /// Ends the threads and with them the recognizers. After `cancel_all` and `wait_idle`; idempotent.
    void join();

    /// Waits until nothing waits or runs.
    [[nodiscard]] bool wait_idle(Deadline deadline);

    [[nodiscard]] QueueStatus status() const;

private:
    struct Job;
    SlotPool(int slots, const Limits& limits);

    void serve(int slot, Recognizer& recognizer, std::stop_token closing);
    [[nodiscard]] bool run(int slot, Recognizer& recognizer, const std::shared_ptr<Job>& job);
    [[nodiscard]] bool give_way(int slot, const std::shared_ptr<Job>& job);
    void enqueue(std::shared_ptr<Job> job);  // with the mutex held
    void sweep(std::stop_token closing);
    [[nodiscard]] std::shared_ptr<Job> take_for(int slot);
    [[nodiscard]] bool is_for(const Job& job, int slot) const;
    [[nodiscard]] Clock::time_point next_sweep() const;
    [[nodiscard]] Clock::time_point ends_by(const Job& job) const;
    [[nodiscard]] bool is_stuck(const Job& job, Clock::time_point now) const;
    void clear_way();  // with the mutex held
    void ask_sweep();  // with the mutex held
    void finish(Job& job, Result<Transcript> result);

    const Limits limits_;
    const int slots_;

    mutable std::mutex mutex_;
    std::condition_variable_any work_;    // for slot threads
    std::condition_variable_any sweeps_;  // for the sweeper
    std::condition_variable idle_;
    std::deque<std::shared_ptr<Job>> waiting_;
    std::vector<std::shared_ptr<Job>> running_;  // by slot; null when free
    std::vector<std::uint64_t> heard_;           // by slot: the utterance that it could go on with
    std::optional<Error> closed_;
    std::size_t open_jobs_ = 0;  // submitted and not yet answered
    bool sweep_asked_ = false;
    bool stuck_told_ = false;
    double mean_service_ms_ = 0;

    std::vector<std::jthread> threads_;
};

}  // namespace hotmic
