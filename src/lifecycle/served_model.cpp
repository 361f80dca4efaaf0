#include "hotmic/served_model.hpp"

#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <format>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "audio/clip.hpp"
#include "hotmic/error.hpp"
#include "hotmic/health.hpp"
#include "hotmic/journal.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/memory_broker.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/model_manager.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"
#include "lifecycle/served_model_impl.hpp"
#include "lifecycle/truth.hpp"
#include "lifecycle/warmup_clip.hpp"
#include "system/mutex.hpp"
#include "system/start_thread.hpp"

namespace hotmic {
namespace {

using std::chrono::milliseconds;

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

Result<Lease> ServedModel::Impl::acquire() const {
    while (true) {
        const auto asked = manager();
        auto lease = asked->acquire();
        if (lease) return lease;
        if (manager() == asked) return std::unexpected(told(std::move(lease).error()));
    }
}

void ServedModel::Impl::when_ready(Deadline deadline, std::function<void(Result<Lease>)> then, std::string lost) {
    const auto asked = manager();
    asked->when_ready(
        deadline,
        [this, asked = asked.get(), deadline, then = std::move(then)](Result<Lease> lease) mutable {
            if (lease) return then(std::move(lease));
            if (manager().get() != asked) return when_ready(deadline, std::move(then), {});
            then(std::unexpected(told(std::move(lease).error())));
        },
        std::move(lost));
}

std::optional<Health> ServedModel::Impl::successor() const {
    Manager preparing;
    {
        const Lock lock(mutex);
        if (swap_) preparing = swap_->successor;
    }
    return preparing ? std::optional(preparing->health()) : std::nullopt;
}

Result<UnloadReport> ServedModel::Impl::unload(Deadline deadline, std::optional<milliseconds> drain) {
    end_swap();
    return manager()->unload(deadline, drain);
}

Job ServedModel::Impl::begin_job(std::string kind, std::string step, std::function<Result<void>(ModelManager&)> work) {
    auto job = jobs.open(std::move(kind), name);
    job.step = std::move(step);
    jobs.update(job);
    const Lock lock(mutex);
    std::erase_if(errands, [](const Errand& errand) { return errand.done->load(); });
    auto done = std::make_shared<std::atomic<bool>>(false);
    const auto began = Clock::now();
    auto thread = system::start_thread([this, job, done, began, work = std::move(work), asked = serving] {
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

Result<UnloadReport> ServedModel::Impl::shutdown(Deadline deadline, std::optional<milliseconds> drain) {
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

Manager ServedModel::Impl::make_manager(const ModelPlan& what) const {
    return std::make_shared<ModelManager>(name, what.spec, what.provider, what.options, broker, journal,
                                          what.alternatives);
}

Error ServedModel::Impl::told(Error error) const {
    const Lock lock(mutex);
    if (stopped || error.code != ErrorCode::shutting_down) return error;
    return {ErrorCode::model_not_loaded, std::format("model {} is being replaced", name), "try again when it is ready",
            "model"};
}

void ServedModel::Impl::tell(Swap& mine, std::string step) const {
    mine.job.step = std::move(step);
    mine.job.duration = Clock::now() - mine.began;
    jobs.update(mine.job);
}

Job ServedModel::Impl::end(Job job, Clock::time_point began, const Result<void>& result) const {
    job.duration = Clock::now() - began;
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
                 job.instance, to_string(job.state), to_ms(job.duration), why);
    jobs.update(job);
    return job;
}

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
