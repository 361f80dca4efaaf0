/// Inside of ServedModel: who serves (served_model.cpp), and how another takes over (served_model_swap.cpp).
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/health.hpp"
#include "hotmic/journal.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/memory_broker.hpp"
#include "hotmic/model_manager.hpp"
#include "hotmic/served_model.hpp"
#include "hotmic/state.hpp"
#include "system/mutex.hpp"

namespace hotmic {

using Manager = std::shared_ptr<ModelManager>;

/// Longer than any attempt, which has limits of its own. Not the clock's last moment, to which nothing could be added.
inline Deadline patient() {
    return deadline_in(std::chrono::hours(24 * 365));
}

/// One swap, on its own thread. Fields below the line are guarded by the mutex of the model it is about.
struct Swap {
    Swap(ModelPlan what, SwapStrategy how, Job as) : plan(std::move(what)), strategy(how), job(std::move(as)) {}

    const ModelPlan plan;
    const SwapStrategy strategy;
    const Clock::time_point began = Clock::now();
    Job job;  // its thread's

    // ──────────
    Manager successor;  // while it is being prepared
    Manager retiring;   // while it drains
    bool superseded = false;
    std::jthread thread;
};

class ServedModel::Impl {
public:
    Impl(std::string model_name, ModelPlan first, MemoryBroker& memory, Journal& record, JobBook& book)
        : name(std::move(model_name)),
          broker(memory),
          journal(record),
          jobs(book),
          plan(std::move(first)),
          serving(make_manager(plan)) {}
    ~Impl() {
        (void)shutdown(Clock::now(), std::chrono::milliseconds(0));
        if (swap_ && swap_->thread.joinable()) swap_->thread.join();
        errands.clear();
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    const std::string name;

    [[nodiscard]] Manager manager() const {
        const Lock lock(mutex);
        return serving;
    }

    [[nodiscard]] ModelPlan current_plan() const {
        const Lock lock(mutex);
        return plan;
    }

    /// A swap may commit between looking up the manager and asking it: then the new one is asked.
    [[nodiscard]] Result<Lease> acquire() const;
    void when_ready(Deadline deadline, std::function<void(Result<Lease>)> then, std::string lost);
    [[nodiscard]] std::optional<Health> successor() const;
    Job begin_swap(ModelPlan wanted, SwapStrategy strategy);

    /// A swap that is being prepared ends with `superseded`; what it replaces, or has replaced, is what is unloaded.
    void end_swap();
    Result<UnloadReport> unload(Deadline deadline, std::optional<std::chrono::milliseconds> drain);

    /// Runs `work` as a job of its own.
    Job begin_job(std::string kind, std::string step, std::function<Result<void>(ModelManager&)> work);
    Result<UnloadReport> shutdown(Deadline deadline, std::optional<std::chrono::milliseconds> drain);

private:
    struct Errand {
        std::shared_ptr<std::atomic<bool>> done;
        std::jthread thread;
    };

    [[nodiscard]] Manager make_manager(const ModelPlan& what) const;

    [[nodiscard]] static Error stopping() {
        return {ErrorCode::shutting_down, "the server is shutting down", "send the request to another instance"};
    }

    /// What a manager says that was shut down because a newer swap came: not that the server is.
    [[nodiscard]] Error told(Error error) const;

    /// Notes what a swap does now.
    void tell(Swap& mine, std::string step) const;

    /// Notes that a job has ended, and how.
    Job end(Job job, Clock::time_point began, const Result<void>& result) const;

    // ---- A swap, on its own thread (served_model_swap.cpp)

    /// Returns the manager that is now to be shut down.
    Manager supersede(const std::shared_ptr<Swap>& swap) const HOTMIC_REQUIRES(mutex);
    void run_swap(Swap& mine);

    /// Gives the manager's memory back where nobody else holds it, not under the mutex.
    void forget(Manager& field);

    /// For a replacement: the old model goes first.
    Result<void> clear_the_way(Swap& mine, ModelManager& old);

    /// Makes the successor READY. Beside the old model it serves nobody before `commit`.
    Result<void> prepare(Swap& mine, bool replacing);

    /// The one commit point.
    Result<void> commit(Swap& mine, const Manager& old);

    /// After a failure past `clear_the_way`: the old model is loaded again, unless a newer swap comes anyway.
    Result<void> restore(Swap& mine, Error error);

    [[nodiscard]] std::unexpected<Error> given_up() const HOTMIC_REQUIRES(mutex);

    /// There is memory for both models at once.
    [[nodiscard]] bool fits_beside(const ModelPlan& wanted) const;

    MemoryBroker& broker;
    Journal& journal;
    JobBook& jobs;

    mutable Mutex mutex;                      // before the managers, whose last callbacks ask for it
    ModelPlan plan HOTMIC_GUARDED_BY(mutex);  // of what serves, or is to serve again
    Manager serving HOTMIC_GUARDED_BY(mutex);
    std::shared_ptr<Swap> swap_ HOTMIC_GUARDED_BY(mutex);  // the last one
    std::vector<Errand> errands HOTMIC_GUARDED_BY(mutex);
    bool stopped HOTMIC_GUARDED_BY(mutex) = false;
    bool cleared = false;  // nothing serves because a swap wanted the memory; the swaps' threads', one at a time
};

}  // namespace hotmic
