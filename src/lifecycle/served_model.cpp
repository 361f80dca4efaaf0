#include "hotmic/served_model.hpp"

#include <spdlog/spdlog.h>

#include <atomic>
#include <format>
#include <thread>
#include <utility>

#include "lifecycle/start_thread.hpp"
#include "lifecycle/truth.hpp"
#include "lifecycle/warmup_clip.hpp"
#include "system/mutex.hpp"

namespace hotmic {
namespace {

using std::chrono::milliseconds;
using Manager = std::shared_ptr<ModelManager>;

/// Longer than any attempt, which has limits of its own. Not the clock's last moment, to which nothing could be added.
Deadline patient() {
    return in(std::chrono::hours(24 * 365));
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

/// Infers the warmup clip on every slot, making way for users.
Result<void> infer_everywhere(ModelManager& manager) {
    const auto& options = manager.options().warmup;
    const auto clip = warmup_clip(options);
    if (!clip) return std::unexpected(clip.error());
    Truth truth(options.validate, {}, options.max_word_error_rate, manager.name());
    if (const auto report = manager.warmup_report()) (void)truth.judge({.text = report->transcript});
    for (int slot = 0; slot < manager.health().queue.slots; ++slot) {
        auto lease = manager.acquire();
        if (!lease) return std::unexpected(std::move(lease).error());
        auto audio = manager.options().decoder->open(media_in_memory(clip->encoded), audio::clip_limits(), {});
        if (!audio) return std::unexpected(std::move(audio).error());
        auto heard = lease->transcribe({.audio = *std::move(audio), .id = "warmup", .slot = slot, .background = true});
        if (!heard) return std::unexpected(std::move(heard).error());
        if (auto why = truth.judge(*heard)) return std::unexpected(*std::move(why));
    }
    return {};
}

}  // namespace

std::string describe_model(const ModelSpec& spec) {
    return spec.path.empty() ? spec.provider + "'s own" : spec.path.string();
}

std::string_view to_string(SwapStrategy strategy) noexcept {
    switch (strategy) {
        case SwapStrategy::automatic:
            return "auto";
        case SwapStrategy::beside:
            return "beside";
        case SwapStrategy::replace:
            return "replace";
    }
    std::unreachable();
}

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
        (void)shutdown(Clock::now(), milliseconds(0));
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
    [[nodiscard]] Result<Lease> acquire() const {
        while (true) {
            const auto asked = manager();
            auto lease = asked->acquire();
            if (lease) return lease;
            if (manager() == asked) return std::unexpected(told(std::move(lease).error()));
        }
    }

    void when_ready(Deadline deadline, std::function<void(Result<Lease>)> then, std::string lost) {
        const auto asked = manager();
        asked->when_ready(
            deadline,
            [this, asked = asked.get(), deadline, then = std::move(then)](Result<Lease> lease) mutable {
                if (!lease && manager().get() != asked) return when_ready(deadline, std::move(then), {});
                if (!lease) lease = std::unexpected(told(std::move(lease).error()));
                then(std::move(lease));
            },
            std::move(lost));
    }

    [[nodiscard]] std::optional<Health> successor() const {
        Manager preparing;
        {
            const Lock lock(mutex);
            if (swap_) preparing = swap_->successor;
        }
        return preparing ? std::optional(preparing->health()) : std::nullopt;
    }

    Job begin_swap(ModelPlan wanted, SwapStrategy strategy) {
        auto job = jobs.open("swap", name);
        const auto fresh = std::make_shared<Swap>(std::move(wanted), strategy, job);
        Manager unwanted;
        {
            const Lock lock(mutex);
            if (stopped) return end(std::move(job), fresh->began, std::unexpected(stopping()));
            auto thread = start_thread([this, mine = fresh.get(), before = swap_]() mutable {
                // One at a time: what the one before took is given back before this one looks at the memory there is.
                if (before && before->thread.joinable()) before->thread.join();
                before.reset();
                run_swap(*mine);
            });
            if (!thread) return end(std::move(job), fresh->began, std::unexpected(thread.error()));
            fresh->thread = *std::move(thread);
            unwanted = supersede(std::exchange(swap_, fresh));
        }
        if (unwanted) (void)unwanted->shutdown(Clock::now(), milliseconds(0));
        return job;
    }

    /// A swap that is being prepared ends with `superseded`; what it replaces, or has replaced, is what is unloaded.
    void end_swap() {
        Manager unwanted;
        {
            const Lock lock(mutex);
            unwanted = supersede(swap_);
        }
        if (unwanted) (void)unwanted->shutdown(Clock::now(), milliseconds(0));
    }

    Result<UnloadReport> unload(Deadline deadline, std::optional<milliseconds> drain) {
        end_swap();
        return manager()->unload(deadline, drain);
    }

    /// Runs `work` as a job of its own.
    Job begin_job(std::string kind, std::string step, std::function<Result<void>(ModelManager&)> work) {
        auto job = jobs.open(std::move(kind), name);
        job.step = std::move(step);
        jobs.update(job);
        const Lock lock(mutex);
        std::erase_if(errands, [](const Errand& errand) { return errand.done->load(); });
        auto done = std::make_shared<std::atomic<bool>>(false);
        const auto began = Clock::now();
        auto thread = start_thread([this, job, done, began, work = std::move(work), asked = serving] {
            const auto result = work(*asked);
            auto ended = job;
            ended.instance = asked->health().instance;
            (void)end(std::move(ended), began, result);
            *done = true;
        });
        if (!thread) return end(std::move(job), began, std::unexpected(thread.error()));
        errands.push_back({std::move(done), *std::move(thread)});
        return job;
    }

    Result<UnloadReport> shutdown(Deadline deadline, std::optional<milliseconds> drain) {
        Manager unwanted;
        Manager retiring;
        {
            const Lock lock(mutex);
            stopped = true;
            unwanted = supersede(swap_);
            if (swap_) retiring = swap_->retiring;
        }
        if (unwanted) (void)unwanted->shutdown(Clock::now(), milliseconds(0));
        auto report = manager()->shutdown(deadline, drain);
        if (retiring) (void)retiring->unload(deadline, drain);
        return report;
    }

private:
    struct Errand {
        std::shared_ptr<std::atomic<bool>> done;
        std::jthread thread;
    };

    [[nodiscard]] Manager make_manager(const ModelPlan& what) const {
        return std::make_shared<ModelManager>(name, what.spec, what.provider, what.options, broker, journal,
                                              what.alternatives);
    }

    [[nodiscard]] static Error stopping() {
        return {ErrorCode::shutting_down, "the server is shutting down", "send the request to another instance"};
    }

    /// What a manager says that was shut down because a newer swap came: not that the server is.
    [[nodiscard]] Error told(Error error) const {
        const Lock lock(mutex);
        if (stopped || error.code != ErrorCode::shutting_down) return error;
        return {ErrorCode::model_not_loaded, std::format("model {} is being replaced", name),
                "try again when it is ready", "model"};
    }

    /// Returns the manager that is now to be shut down.
    Manager supersede(const std::shared_ptr<Swap>& swap) const HOTMIC_REQUIRES(mutex) {
        if (!swap) return nullptr;
        swap->superseded = true;
        return swap->successor;
    }

    void tell(Swap& mine, std::string step) const {
        mine.job.step = std::move(step);
        mine.job.duration_ms = std::chrono::duration<double, std::milli>(Clock::now() - mine.began).count();
        jobs.update(mine.job);
    }

    Job end(Job job, Clock::time_point began, const Result<void>& result) const {
        job.duration_ms = std::chrono::duration<double, std::milli>(Clock::now() - began).count();
        job.step = "done";
        job.state = Job::State::succeeded;
        std::string why;
        if (!result) {
            const bool superseded = result.error().code == ErrorCode::superseded;
            job.state = superseded ? Job::State::superseded : Job::State::failed;
            job.error = result.error();
            why = std::format(" error={:?}", result.error().describe());
        }
        spdlog::info("job ended job={} kind={} model={} instance={} state={} ms={:.0f}{}", job.id, job.kind, name,
                     job.instance, to_string(job.state), job.duration_ms, why);
        jobs.update(job);
        return job;
    }

    void run_swap(Swap& mine) {
        const auto old = manager();
        const bool replacing = mine.strategy == SwapStrategy::replace ||
                               (mine.strategy == SwapStrategy::automatic && !fits_beside(mine.plan));
        auto result = replacing ? clear_the_way(mine, *old) : Result<void>{};
        if (result) result = prepare(mine, replacing);
        if (result) result = commit(mine, old);
        if (result) {
            tell(mine, "draining the old model");
            (void)old->shutdown(patient());
            forget(mine.retiring);
        } else {
            forget(mine.successor);
            if (cleared) result = restore(mine, result.error());
        }
        (void)end(mine.job, mine.began, result);
    }

    /// Gives the manager's memory back where nobody else holds it, not under the mutex.
    void forget(Manager& field) {
        Manager last;
        const Lock lock(mutex);
        last.swap(field);
    }

    /// For a replacement: the old model goes first.
    Result<void> clear_the_way(Swap& mine, ModelManager& old) {
        tell(mine, "unloading the old model");
        cleared = true;
        if (auto gone = old.unload(patient()); !gone) return std::unexpected(std::move(gone).error());
        return {};
    }

    Result<void> prepare(Swap& mine, bool replacing) {
        const auto successor = make_manager(mine.plan);
        {
            const Lock lock(mutex);
            if (mine.superseded) return given_up();
            mine.successor = successor;
            if (replacing) serving = successor;  // its progress is what there is to tell
        }
        tell(mine, "loading and warming up");
        auto ready = successor->initialize(patient());
        mine.job.instance = successor->health().instance;
        const Lock lock(mutex);
        if (!ready && mine.superseded) return given_up();
        return ready;
    }

    /// The one commit point.
    Result<void> commit(Swap& mine, const Manager& old) {
        const Lock lock(mutex);
        if (mine.superseded) return given_up();
        serving = std::exchange(mine.successor, nullptr);
        plan = mine.plan;
        mine.retiring = old;
        cleared = false;
        return {};
    }

    /// After a failure past `clear_the_way`: the old model is loaded again, unless a newer swap comes anyway.
    Result<void> restore(Swap& mine, Error error) {
        Manager old;
        {
            const Lock lock(mutex);
            serving = old = make_manager(plan);
            if (mine.superseded) return std::unexpected(std::move(error));
        }
        tell(mine, "loading the old model again");
        cleared = false;
        const auto back = old->initialize(patient());
        error.message += back ? "; the old model serves again"
                              : "; and the old model could not be loaded again: " + back.error().message;
        return std::unexpected(std::move(error));
    }

    [[nodiscard]] std::unexpected<Error> given_up() const HOTMIC_REQUIRES(mutex) {
        if (stopped) return std::unexpected(stopping());
        return fail(ErrorCode::superseded,
                    std::format("a newer swap of {} took the place of this one, or the model was unloaded", name));
    }

    [[nodiscard]] bool fits_beside(const ModelPlan& wanted) const {
        const auto need = wanted.provider->estimate(wanted.spec);
        const auto available = broker.available();
        return !need || need->total_bytes() <= available - std::min(available, broker.reserved());
    }

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

ServedModel::ServedModel(std::string name, ModelPlan plan, MemoryBroker& broker, Journal& journal, JobBook& jobs)
    : impl_(std::make_unique<Impl>(std::move(name), std::move(plan), broker, journal, jobs)) {}
ServedModel::~ServedModel() = default;

void ServedModel::start() {
    impl_->manager()->start();
}
void ServedModel::forgive() {
    impl_->manager()->forgive();
}
Result<void> ServedModel::initialize(Deadline deadline) {
    return impl_->manager()->initialize(deadline);
}
Result<Lease> ServedModel::acquire() {
    return impl_->acquire();
}
void ServedModel::when_ready(Deadline deadline, std::function<void(Result<Lease>)> then, std::string lost) {
    impl_->when_ready(deadline, std::move(then), std::move(lost));
}
Health ServedModel::health() const {
    return impl_->manager()->health();
}
std::uint64_t ServedModel::come_round() {
    return impl_->manager()->come_round();
}
std::optional<WarmupReport> ServedModel::warmup_report() const {
    return impl_->manager()->warmup_report();
}
std::optional<UnloadReport> ServedModel::last_unload() const {
    return impl_->manager()->last_unload();
}
Result<UnloadReport> ServedModel::unload(Deadline deadline, std::optional<milliseconds> drain) {
    return impl_->unload(deadline, drain);
}
Result<UnloadReport> ServedModel::shutdown(Deadline deadline, std::optional<milliseconds> drain) {
    return impl_->shutdown(deadline, drain);
}
Job ServedModel::swap(ModelPlan plan, SwapStrategy strategy) {
    return impl_->begin_swap(std::move(plan), strategy);
}
Job ServedModel::load() {
    return impl_->begin_job("load", "loading and warming up", [](ModelManager& manager) {
        manager.forgive();
        return manager.initialize(patient());
    });
}
Job ServedModel::release() {
    impl_->end_swap();
    return impl_->begin_job("unload", "draining and unloading", [](ModelManager& manager) {
        return manager.unload(patient()).transform([](const UnloadReport&) {});
    });
}
Job ServedModel::warm() {
    return impl_->begin_job("warmup", "warming up", [](ModelManager& manager) {
        if (manager.health().ready) return infer_everywhere(manager);
        manager.forgive();
        return manager.initialize(patient());
    });
}
std::optional<Health> ServedModel::successor() const {
    return impl_->successor();
}
const std::string& ServedModel::name() const noexcept {
    return impl_->name;
}
LifecycleOptions ServedModel::options() const {
    return impl_->manager()->options();
}
ModelPlan ServedModel::plan() const {
    return impl_->current_plan();
}

}  // namespace hotmic
