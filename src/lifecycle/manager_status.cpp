#include <algorithm>
#include <chrono>
#include <format>
#include <optional>
#include <string>
#include <utility>

#include "hotmic/error.hpp"
#include "hotmic/health.hpp"
#include "hotmic/model_manager.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"
#include "lifecycle/manager_impl.hpp"
#include "system/mutex.hpp"

namespace hotmic {

Health ModelManager::Impl::health() const {
    const Lock lock(mutex);
    const auto now = Clock::now();
    Health health{.model = name,
                  .provider = std::string((attempt ? attempt->way : ways.front()).provider->name()),
                  .state = state};
    health.passed_over = passed_over;
    health.ready = state == ModelState::ready;
    health.warmup_complete = warmup_report && warmup_report->complete && health.ready;
    health.resting = state == ModelState::uninitialized && wakes_on_demand();
    health.awaited = is_awaited();
    health.last_error = last_error;
    health.info = info;
    health.load_time = load_time;
    health.warmup_time = warmup_report ? warmup_report->duration : Seconds{};
    health.state_age = now - state_since;
    health.resident = resident;
    health.deaths = recovery.deaths(now);
    health.canary_latency = canary.last();
    health.canary_failures = canary.failures_in_a_row();
    if (retry_at) health.retry_in = std::max(Seconds{}, Seconds(*retry_at - now));
    if (attempt) {
        health.instance = attempt->id;
        health.attempt = attempt->number;
        health.progress = attempt->progress.snapshot();
        health.warmup_level = attempt->warmup.level;
    }
    if (instance) {
        health.queue = instance->queue();
        const auto served = instance->served();
        health.requests = served.requests;
        health.mean_inference = served.mean_inference;
        health.first_request_ratio = served.first_request_ratio;
    }
    health.eta = eta(now);
    if (!health.ready) health.reason = reason();
    if (health.ready && warmup_report) {
        health.shortfall = warmup_report->shortfall;
        health.slower = warmup_report->slower;
    }
    return health;
}

std::optional<WarmupReport> ModelManager::Impl::report() const {
    const Lock lock(mutex);
    return warmup_report;
}

std::optional<UnloadReport> ModelManager::Impl::last_unload() const {
    const Lock lock(mutex);
    return unloading && unloading->done ? std::optional(unloading->report) : std::nullopt;
}

std::optional<Seconds> ModelManager::Impl::eta(Clock::time_point now) const {
    if (state == ModelState::error && retry_at) return std::max(Seconds{}, Seconds(*retry_at - now));
    if (!attempt) return std::nullopt;
    if (state == ModelState::loading) {
        const auto [done, total, beats, downloading, rate] = attempt->progress.snapshot();
        if (!done || !total) return std::nullopt;
        if (downloading)
            return rate > 0 ? std::optional(Seconds(static_cast<double>((total - done).count()) / rate)) : std::nullopt;
        const Seconds elapsed = now - attempt->began;
        return elapsed * ((total - done) / done);
    }
    if (state == ModelState::warming_up && attempt->warmup.remaining) return *attempt->warmup.remaining;
    return std::nullopt;
}

std::string ModelManager::Impl::reason() const {
    switch (state) {
        case ModelState::uninitialized:
            if (resting) return "the model was unloaded because nobody used it; the next request loads it";
            if (wakes_on_demand()) return "the model is loaded when it is first asked for";
            return loaded_once ? "the model has been unloaded" : "the model has not been asked for yet";
        case ModelState::loading: {
            if (attempt->waiting) return "the model waits for others to load";
            const auto [done, total, beats, downloading, rate] = attempt->progress.snapshot();
            if (downloading && !total) return std::format("the model is downloading: {} MB so far", to_mb(done));
            if (downloading)
                return std::format("the model is downloading {} %: {} of {} MB",
                                   100 * std::min(done, total).count() / total.count(), to_mb(done), to_mb(total));
            if (!total) return "the model is loading";
            return std::format("the model is loading: {} of {} MB", to_mb(done), to_mb(total));
        }
        case ModelState::warming_up:
            return std::format("the model is warming up: level {}, {} inferences done",
                               std::max(1, attempt->warmup.level), attempt->warmup.inferences);
        case ModelState::ready:
            return {};
        case ModelState::error:
            return last_error->describe();
        case ModelState::unloading:
            return "the model is being unloaded";
    }
    std::unreachable();
}

Error ModelManager::Impl::not_ready() const {
    if (stopped) return shutting_down();
    const auto message = std::format("model {} is not ready: {}", name, reason());
    switch (state) {
        case ModelState::error:
            return {ErrorCode::model_failed, message, {}, "model"};
        case ModelState::unloading:
            return {ErrorCode::model_unloaded, message, "load it again", "model"};
        case ModelState::uninitialized:
            if (loaded_once) return {ErrorCode::model_unloaded, message, "load it again", "model"};
            [[fallthrough]];
        default:
            return {ErrorCode::model_not_loaded, message, "try again when it is ready", "model"};
    }
}

std::unexpected<Error> ModelManager::Impl::timed_out() const {
    return fail(ErrorCode::wait_timeout, std::format("model {} was not ready in time: {}", name, reason()),
                "the load goes on; wait longer, or ask again");
}

}  // namespace hotmic
