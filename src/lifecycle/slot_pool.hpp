/// The slots of one model: a bounded queue in front, one long-lived thread behind each recognizer.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/health.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/state.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "lifecycle/calibration.hpp"
#include "lifecycle/quarantine.hpp"
#include "system/mutex.hpp"

namespace hotmic {

/// Requests wait here for a slot and are answered exactly once, whatever happens. Whose answer is wanted first goes
/// first. A stream's step goes to the slot that took its last one, if that is free, and others go elsewhere while
/// another is. A long recording gives its slot up between two windows when somebody else is more urgent, and slots that
/// have nothing else to do help with its windows.
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
        double request_timeout_factor = 4;  ///< added to that, as many times the length of the audio
        /// An inference hangs when it runs this many times as long as the calibration expects, and as long as
        /// `hang_least`. 0: none does.
        double hang_factor = 10;
        std::chrono::milliseconds hang_least{5'000};
        /// A request that runs on for this long after `request_timeout` has asked it to stop is stuck. That, or an
        /// inference that hangs, is told to `on_stuck`, once, on the sweeper's thread. Empty: nobody wants to know.
        std::chrono::milliseconds cancel_grace{2'000};
        std::shared_ptr<Quarantine> quarantine{};  ///< whose poison is refused; null: there is none
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

    /// How long inferences take here; what tells a hang from now on. Empty: what comes from now on has to show it.
    void calibrate(Calibration calibration);

    /// The engine has died, or hung: fingerprints of the requests that it was working on then.
    [[nodiscard]] std::vector<std::uint64_t> casualties();

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
    class Watched;
    struct Inference {
        Clock::time_point began;
        Seconds audio;
    };
    SlotPool(int slots, const Limits& limits);

    void serve(int slot, Recognizer& recognizer, std::stop_token closing);
    [[nodiscard]] bool run(int slot, Recognizer& recognizer, const std::shared_ptr<Job>& job);
    [[nodiscard]] bool give_way(int slot, const std::shared_ptr<Job>& job);
    void enqueue(std::shared_ptr<Job> job) HOTMIC_REQUIRES(mutex_);
    void sweep(std::stop_token closing);
    [[nodiscard]] std::shared_ptr<Job> take_for(int slot) HOTMIC_REQUIRES(mutex_);
    [[nodiscard]] std::shared_ptr<Job> find_to_help() const HOTMIC_REQUIRES(mutex_);
    void help(int slot, Recognizer& recognizer, const std::shared_ptr<Job>& job) HOTMIC_REQUIRES(mutex_);
    [[nodiscard]] bool has_its_own(int slot) const HOTMIC_REQUIRES(mutex_);
    [[nodiscard]] bool is_helped(const Job& job) const HOTMIC_REQUIRES(mutex_);
    [[nodiscard]] bool is_for(const Job& job, int slot) const HOTMIC_REQUIRES(mutex_);
    void begin_inference(int slot, Seconds audio);
    void end_inference(int slot, std::optional<ErrorCode> failure);
    void note_loss() HOTMIC_REQUIRES(mutex_);
    void note_casualty(Job& job) HOTMIC_REQUIRES(mutex_);
    void stop_late(Clock::time_point now) HOTMIC_REQUIRES(mutex_);
    [[nodiscard]] std::optional<Error> find_stuck(Clock::time_point now) HOTMIC_REQUIRES(mutex_);
    [[nodiscard]] std::vector<std::shared_ptr<Job>> take_ended(Clock::time_point now) HOTMIC_REQUIRES(mutex_);
    [[nodiscard]] static bool waits_for_first(const Job& job);
    [[nodiscard]] std::chrono::milliseconds allowance(const Job& job) const HOTMIC_REQUIRES(mutex_);
    [[nodiscard]] Clock::time_point ends_by(const Job& job) const HOTMIC_REQUIRES(mutex_);
    [[nodiscard]] Clock::time_point hangs_at(const Inference& inference) const HOTMIC_REQUIRES(mutex_);
    [[nodiscard]] Clock::time_point next_sweep() const HOTMIC_REQUIRES(mutex_);
    void clear_way() HOTMIC_REQUIRES(mutex_);
    void ask_sweep() HOTMIC_REQUIRES(mutex_);

    void finish(Job& job, Result<Transcript> result);

    const Limits limits_;
    const int slots_;

    mutable Mutex mutex_;
    StoppableCondition work_;    // for slot threads
    StoppableCondition sweeps_;  // for the sweeper
    Condition idle_;
    std::deque<std::shared_ptr<Job>> waiting_ HOTMIC_GUARDED_BY(mutex_);
    std::vector<std::shared_ptr<Job>> running_
        HOTMIC_GUARDED_BY(mutex_);  // by slot, its own or one that it helps with; null when free
    std::vector<std::optional<Inference>> inferring_
        HOTMIC_GUARDED_BY(mutex_);  // by slot; nothing while its engine has nothing to do
    std::vector<std::uint64_t> heard_
        HOTMIC_GUARDED_BY(mutex_);  // by slot: the stream that it took a step of, and could go on with
    std::optional<Error> closed_ HOTMIC_GUARDED_BY(mutex_);
    std::size_t open_jobs_ HOTMIC_GUARDED_BY(mutex_) = 0;  // submitted and not yet answered
    bool sweep_asked_ HOTMIC_GUARDED_BY(mutex_) = false;
    bool stuck_told_ HOTMIC_GUARDED_BY(mutex_) = false;
    Calibration calibration_ HOTMIC_GUARDED_BY(mutex_);
    bool learns_ HOTMIC_GUARDED_BY(mutex_) = false;  // from what users ask, for nobody has measured it
    bool lost_ HOTMIC_GUARDED_BY(mutex_) = false;    // the engine is gone
    std::vector<std::uint64_t> casualties_ HOTMIC_GUARDED_BY(mutex_);  // fingerprints of what it was working on then
    Seconds mean_service_ HOTMIC_GUARDED_BY(mutex_){};

    std::vector<std::jthread> threads_;
};

}  // namespace hotmic
