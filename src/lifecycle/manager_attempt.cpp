#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <format>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "asr/languages.hpp"
#include "hotmic/error.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/lifecycle_options.hpp"
#include "hotmic/memory_broker.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/model_manager.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"
#include "lifecycle/attempt.hpp"
#include "lifecycle/baseline.hpp"
#include "lifecycle/fingerprint.hpp"
#include "lifecycle/instance.hpp"
#include "lifecycle/manager_impl.hpp"
#include "lifecycle/slot_pool.hpp"
#include "lifecycle/warmup_runner.hpp"
#include "system/heap.hpp"
#include "system/memory.hpp"
#include "system/mutex.hpp"
#include "system/start_thread.hpp"

namespace hotmic {

using std::chrono::milliseconds;

namespace {

/// Requests that name no language get the model's, and would be refused one by one.
Result<void> check_languages(const LifecycleOptions& options, const ModelFileInfo& file) {
    const auto check = [&](std::string_view key, const std::string& language) -> Result<void> {
        if (language.empty() || file.languages.empty()) return {};
        if (std::ranges::contains(file.languages, language_code(language).value_or(language))) return {};
        return fail(ErrorCode::config_invalid,
                    std::format("{} is \"{}\", which {} does not know", key, language, file.kind),
                    std::format("leave {} out, or take a model that knows it", key), std::string(key));
    };
    for (const auto& language : options.languages)
        if (auto known = check("languages", language); !known) return known;
    return check("language", options.language);
}

}  // namespace

void ModelManager::Impl::run_attempt(Attempt& mine) {
    auto made = [&]() -> Result<void> {
        try {
            return make_ready(mine);
        } catch (const std::system_error& why) {
            return std::unexpected(system::no_thread(why));
        } catch (const std::bad_alloc&) {
            return fail(ErrorCode::insufficient_memory, std::format("the server has no memory left to load {}", name));
        }
    }();
    // What is left of a failed attempt is gone before its failure is told: memory is back, the worker reaped.
    const Lock lock(mutex);
    if (!made) {
        const auto error = mine.stopped_as.value_or(std::move(made).error());
        reservation = {};
        if (mine.outcome) {
            // The watch gave up on it and said so; or an unload cancelled it.
        } else if (state == ModelState::unloading) {
            mine.outcome = std::unexpected(*mine.stopped_as);
        } else {
            fail_attempt(mine, error);
        }
    }
    mine.running = false;
    changed.notify_all();
    wake_watch();
}

Result<void> ModelManager::Impl::make_ready(Attempt& mine) {
    const auto stop = mine.stop.get_token();
    if (auto prepared = mine.way.provider->prepare(mine.way.spec, mine.progress, stop); !prepared) return prepared;
    const auto turn = await_turn(mine);
    if (auto fit = preflight(mine); !fit) return fit;

    const auto resident_before = system::resident_memory();
    auto model = mine.way.provider->load(mine.way.spec, mine.progress, stop);
    if (!model) return std::unexpected(std::move(model).error());
    (*model)->on_lost([this, id = mine.id](const Error& error) { lost(id, error); });

    // From here on a stop must reach the engine itself: opening a slot or an inference may be what hangs.
    const auto fresh = std::make_shared<ModelInstance>(mine.id, *std::move(model));
    std::optional<std::stop_callback<std::function<void()>>> terminate(std::in_place, stop,
                                                                       [&fresh] { fresh->terminate(); });
    SlotPool::Limits limits{.max_waiting = options.max_waiting,
                            .queue_timeout = options.queue_timeout,
                            .request_timeout = options.request_timeout,
                            .request_timeout_factor = options.request_timeout_factor,
                            .hang_factor = options.supervise.hang_factor,
                            .hang_least = options.supervise.hang_least,
                            .cancel_grace = options.cancel_grace,
                            .quarantine = quarantine,
                            .on_stuck = [this, id = mine.id](const Error& error) { lost(id, error); }};
    if (auto opened = fresh->open(limits, [&] { mine.progress.beat(); }); !opened) {
        auto error = std::move(opened).error();
        if (error.code == ErrorCode::model_lost) error.code = ErrorCode::worker_crashed;
        return std::unexpected(std::move(error));
    }

    const auto resident_now = [&] {
        if (fresh->isolated()) return fresh->resident();
        return system::resident_memory() - resident_before;  // in-process: the growth since before the load
    };
    if (mine.recovery) fresh->stop_yielding();  // users wait for it
    auto warm = warm_up(mine, fresh, resident_now);
    fresh->stop_yielding();
    terminate.reset();
    if (warm) {
        const auto size = resident_now();
        const Lock lock(mutex);
        if (!mine.stopped_as && !mine.lost) {
            publish_ready(mine, fresh, size);
            return {};
        }
        warm = std::unexpected(mine.stopped_as ? *mine.stopped_as : *mine.lost);
        if (!mine.stopped_as) warm.error().code = ErrorCode::worker_crashed;
    }
    fresh->close(Clock::now(), options.cancel_grace, warm.error());
    system::trim_heap();
    return warm;
}

/// One load at a time, or as many as configured; what was READY before comes first.
MemoryBroker::Turn ModelManager::Impl::await_turn(Attempt& mine) {
    {
        const Lock lock(mutex);
        mine.began = mine.beat_at = Clock::now();
        if (mine.recovery) return nullptr;
        mine.waiting = true;
    }
    auto turn = broker.wait_turn(mine.stop.get_token());
    const Lock lock(mutex);
    mine.waiting = false;
    mine.began = mine.beat_at = Clock::now();
    wake_watch();
    return turn;
}

/// Everything that can be refused before gigabytes are read.
Result<void> ModelManager::Impl::preflight(Attempt& mine) {
    {
        const auto file = fingerprint_of(spec.path);
        const Lock lock(mutex);
        if (mine.stopped_as) return std::unexpected(*mine.stopped_as);
        mine.file = file;
    }
    if (const auto availability = mine.way.provider->availability(); !availability.available) {
        return fail(ErrorCode::provider_unavailable,
                    std::format("provider {} cannot run here: {}", mine.way.provider->name(), availability.reason),
                    availability.remedy);
    }
    const auto file = mine.way.provider->inspect(mine.way.spec);
    if (!file) return std::unexpected(file.error());
    if (auto known = check_languages(options, *file); !known) return known;
    auto need = mine.way.provider->estimate(mine.way.spec);
    if (!need) return std::unexpected(std::move(need).error());
    auto claim = broker.reserve(need->total(), std::format("model {}", name));
    if (!claim) return std::unexpected(std::move(claim).error());
    const Lock lock(mutex);
    reservation = *std::move(claim);
    return {};
}

Result<void> ModelManager::Impl::warm_up(Attempt& mine, const std::shared_ptr<ModelInstance>& fresh,
                                         const std::function<Bytes()>& resident_now) {
    const auto size = resident_now();
    {
        const Lock lock(mutex);
        if (mine.stopped_as) return std::unexpected(*mine.stopped_as);
        load_time = Clock::now() - mine.began;
        info = fresh->info();
        resident = size;
        reservation.note_resident(size);
        if (options.warmup.level == 0) return {};
        mine.warmup_began = Clock::now();
        transition(ModelState::warming_up, "loaded");
    }
    const auto on_progress = [&](const WarmupProgress& progress) {
        const Lock lock(mutex);
        mine.warmup = progress;
        reservation.note_resident(resident_now());
    };
    auto report = run_warmup(Lease(fresh), options.warmup, mine.stop.get_token(), on_progress, resident_now,
                             mine.findings, *options.decoder);
    if (!report) return std::unexpected(std::move(report).error());
    if (!options.baseline_folder.empty()) {
        const auto verdict = BaselineStore(options.baseline_folder).judge(baseline_key(fresh->info()), *report);
        if (verdict) report->slower = verdict->note();
    }
    for (const auto& worry : {report->shortfall, report->slower}) {
        if (!worry.empty()) spdlog::warn("warm, but model={} instance={} why={:?}", name, mine.id, worry);
    }
    const Lock lock(mutex);
    warmup_report = *std::move(report);
    return {};
}

/// Under the mutex: a lease can be had from the moment the state says so.
void ModelManager::Impl::publish_ready(Attempt& mine, const std::shared_ptr<ModelInstance>& fresh, Bytes size) {
    const auto steady = warmup_report ? warmup_report->steady : Seconds{};
    instance = fresh;
    resident = size;
    reservation.settle();
    last_error.reset();
    loaded_once = true;
    wanted = false;
    recovery.succeeded(Clock::now());
    canary = Canary(options.supervise.canary_latency_factor, steady, std::move(mine.findings.truth));
    canary_at = Clock::now();
    suspected = false;
    fresh->on_failure([this, id = mine.id] { suspect(id); });
    fresh->speak(options);
    fresh->begin_serving(steady > Seconds::zero() ? steady / warmup_report->clip_length : 0,
                         std::move(mine.findings.calibration));
    mine.outcome = Result<void>{};
    transition(ModelState::ready, options.warmup.level == 0 ? "loaded, warmup is off" : "warm");
}

/// The model died, or must be given up. Called on the thread that noticed.
void ModelManager::Impl::lost(const std::string& id, const Error& error) {
    const Lock lock(mutex);
    if (!attempt || attempt->id != id) return;
    attempt->lost = error;
    if (state == ModelState::ready) die(error);  // else the attempt or the unload under way sees it
}

}  // namespace hotmic
