#include <chrono>
#include <format>
#include <memory>
#include <utility>

#include "hotmic/error.hpp"
#include "hotmic/model_manager.hpp"
#include "hotmic/served_model.hpp"
#include "hotmic/state.hpp"
#include "lifecycle/served_model_impl.hpp"
#include "system/mutex.hpp"
#include "system/start_thread.hpp"

namespace hotmic {

using std::chrono::milliseconds;

Job ServedModel::Impl::begin_swap(ModelPlan wanted, SwapStrategy strategy) {
    auto job = jobs.open("swap", name);
    const auto fresh = std::make_shared<Swap>(std::move(wanted), strategy, job);
    Manager unwanted;
    {
        const Lock lock(mutex);
        if (stopped) return end(std::move(job), fresh->began, std::unexpected(stopping()));
        auto thread = system::start_thread([this, mine = fresh.get(), before = swap_]() mutable {
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

void ServedModel::Impl::end_swap() {
    Manager unwanted;
    {
        const Lock lock(mutex);
        unwanted = supersede(swap_);
    }
    if (unwanted) (void)unwanted->shutdown(Clock::now(), milliseconds(0));
}

Manager ServedModel::Impl::supersede(const std::shared_ptr<Swap>& swap) const {
    if (!swap) return nullptr;
    swap->superseded = true;
    return swap->successor;
}

void ServedModel::Impl::run_swap(Swap& mine) {
    const auto old = manager();
    const bool replacing =
        mine.strategy == SwapStrategy::replace || (mine.strategy == SwapStrategy::automatic && !fits_beside(mine.plan));
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

void ServedModel::Impl::forget(Manager& field) {
    Manager last;
    const Lock lock(mutex);
    last.swap(field);
}

Result<void> ServedModel::Impl::clear_the_way(Swap& mine, ModelManager& old) {
    tell(mine, "unloading the old model");
    cleared = true;
    if (auto gone = old.unload(patient()); !gone) return std::unexpected(std::move(gone).error());
    return {};
}

Result<void> ServedModel::Impl::prepare(Swap& mine, bool replacing) {
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

Result<void> ServedModel::Impl::commit(Swap& mine, const Manager& old) {
    const Lock lock(mutex);
    if (mine.superseded) return given_up();
    serving = std::exchange(mine.successor, nullptr);
    plan = mine.plan;
    mine.retiring = old;
    cleared = false;
    return {};
}

Result<void> ServedModel::Impl::restore(Swap& mine, Error error) {
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

std::unexpected<Error> ServedModel::Impl::given_up() const {
    if (stopped) return std::unexpected(stopping());
    return fail(ErrorCode::superseded,
                std::format("a newer swap of {} took the place of this one, or the model was unloaded", name));
}

bool ServedModel::Impl::fits_beside(const ModelPlan& wanted) const {
    const auto need = wanted.provider->estimate(wanted.spec);
    return !need || need->total() <= broker.available() - broker.reserved();
}

}  // namespace hotmic
