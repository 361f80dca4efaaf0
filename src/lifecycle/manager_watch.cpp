#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <format>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include "audio/clip.hpp"
#include "hotmic/error.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/model_manager.hpp"
#include "hotmic/state.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "lifecycle/attempt.hpp"
#include "lifecycle/fingerprint.hpp"
#include "lifecycle/manager_impl.hpp"
#include "lifecycle/warmup_clip.hpp"
#include "system/mutex.hpp"

namespace hotmic {

using std::chrono::milliseconds;

void ModelManager::Impl::watch_loop(const std::stop_token& stop) {
    Lock lock(mutex);
    while (!stop.stop_requested()) {
        watch_due = false;
        ++rounds;
        const auto now = Clock::now();
        check_limits(now);
        // Each does one thing and is looked at again, for the state may be another one afterwards.
        if (tell_to_stop() || clear_dead() || unload_here() || answer_waiters(now) || retry(now) || look_at_file(now) ||
            rest_if_idle(now) || send_canary(now))
            continue;
        watch_wakes.wait_until(lock, stop, next_check(), [this] HOTMIC_REQUIRES(mutex) { return watch_due; });
    }
}

std::uint64_t ModelManager::Impl::come_round() {
    const Lock lock(mutex);
    wake_watch();
    return rounds;
}

void ModelManager::Impl::check_limits(Clock::time_point now) {
    if (!attempt || !attempt->running || attempt->outcome) return;
    auto& mine = *attempt;
    if (!mine.stopped_as) {
        if (auto why = limit_passed(mine, state, options, now)) ask_to_stop(mine, *std::move(why));
    } else if (now >= mine.stop_asked + options.cancel_grace && state != ModelState::unloading) {
        // An in-process engine that does not look at its stop token: it cannot be ended, but nobody waits for it.
        fail_attempt(mine, *mine.stopped_as);
    }
}

bool ModelManager::Impl::tell_to_stop() {
    if (!std::exchange(stops_due, false) || !attempt) return false;
    const auto stopping = attempt;
    const Unlock meanwhile(mutex);
    stopping->stop.request_stop();
    return true;
}

bool ModelManager::Impl::unload_here() {
    if (!unload_due) return false;
    unload_due = false;
    const auto mine = unloading;
    const Unlock meanwhile(mutex);
    run_unload(*mine);
    return true;
}

bool ModelManager::Impl::clear_dead() {
    if (!dead_instance) return false;
    clearing = true;
    const auto dead = std::exchange(dead_instance, nullptr);
    const auto why = *std::exchange(death_cause, std::nullopt);
    {
        const Unlock meanwhile(mutex);
        dead->close(Clock::now(), options.cancel_grace, why);
    }
    clearing = false;
    changed.notify_all();
    return true;
}

bool ModelManager::Impl::retry(Clock::time_point now) {
    if (!retry_at || now < *retry_at || (attempt && attempt->running)) return false;
    const bool recovers = recovery.failures() == 0;
    begin_attempt(recovers ? "recovery" : std::format("retry {}", recovery.failures()), recovers);
    return true;
}

/// A permanent failure is about a file: another file deserves another attempt. One that still grows does not yet.
bool ModelManager::Impl::look_at_file(Clock::time_point now) {
    const auto interval = options.supervise.file_check_interval;
    if (state != ModelState::error || !is_hopeless() || stopped || spec.path.empty() || !failed_file) return false;
    if (now < file_seen_at + interval) return false;
    const auto file = [this] HOTMIC_REQUIRES(mutex) {
        const Unlock meanwhile(mutex);
        return fingerprint_of(spec.path);
    }();
    file_seen_at = Clock::now();
    const bool settled = file == std::exchange(seen_file, file);
    if (state != ModelState::error || !is_hopeless() || stopped || !failed_file || (attempt && attempt->running))
        return true;
    if (!settled || file == *failed_file || !file.exists) return true;
    recovery.forgive();
    quarantine->clear();
    forget_ways();
    begin_attempt("the model file has changed");
    return true;
}

bool ModelManager::Impl::rest_if_idle(Clock::time_point now) {
    if (state != ModelState::ready || options.idle_unload == milliseconds(0)) return false;
    const auto since = instance->idle_since();
    if (!since || now < *since + options.idle_unload) return false;
    resting = true;
    begin_unload(deadline_in(options.drain_timeout), std::format("idle for {} ms", options.idle_unload.count()));
    return true;
}

bool ModelManager::Impl::send_canary(Clock::time_point now) {
    const auto interval = options.supervise.canary_interval;
    if (state != ModelState::ready || canary_flies) return false;
    if (!suspected && interval == milliseconds(0)) return false;
    if (!suspected) {
        const auto idle = instance->idle_since();
        if (!idle || now < std::max(*idle, canary_at) + interval) return false;
    }
    canary_flies = true;
    const auto flown_by = instance;
    auto audio = [this] HOTMIC_REQUIRES(mutex) {
        const Unlock meanwhile(mutex);
        const auto clip = warmup_clip(options.warmup).value_or(audio::builtin_clip());
        auto opened = options.decoder->open(media_in_memory(clip.encoded), audio::clip_limits(), {});
        if (!opened) spdlog::warn("no canary model={} cause={:?}", name, opened.error().message);
        return opened;
    }();
    if (!audio) {  // not the model's fault; the next interval tries again
        canary_flies = false;
        suspected = false;
        canary_at = Clock::now();
        return true;
    }
    const Unlock meanwhile(mutex);
    flown_by->submit({.audio = *std::move(audio), .id = "canary", .background = true},
                     [this, id = flown_by->id()](const Result<Transcript>& result, const RequestTimings& timings) {
                         canary_returned(id, result, timings);
                     });
    return true;
}

/// A request may be to blame for its failure, or the model. What the model has done before can tell.
void ModelManager::Impl::suspect(const std::string& id) {
    const Lock lock(mutex);
    if (state != ModelState::ready || attempt->id != id) return;
    suspected = true;
    wake_watch();
}

void ModelManager::Impl::canary_returned(const std::string& id, const Result<Transcript>& result,
                                         const RequestTimings& timings) {
    const Lock lock(mutex);
    canary_flies = false;
    canary_at = Clock::now();
    wake_watch();
    if (state != ModelState::ready || attempt->id != id) return;
    if (!result && result.error().code == ErrorCode::cancelled) return;  // it made way: what was suspected still is
    const auto failures = canary.failures_in_a_row();
    const auto unhealthy = canary.judge(result, timings.inference);
    suspected = canary.failures_in_a_row() > 0;
    if (canary.failures_in_a_row() > failures) {
        spdlog::warn("canary failed model={} instance={} in_a_row={} ms={:.0f} error=\"{}\"", name, id,
                     canary.failures_in_a_row(), to_ms(timings.inference), canary.found());
    }
    if (unhealthy) die(*unhealthy);
}

bool ModelManager::Impl::answer_waiters(Clock::time_point now) {
    if (waiters.empty()) return false;
    if (state == ModelState::uninitialized && wakes_on_demand()) {
        wanted = true;
        begin_attempt("a request");
        return true;
    }
    const bool hopeless = stopped || (state == ModelState::error && is_hopeless()) ||
                          state == ModelState::uninitialized || (state == ModelState::unloading && !resting);
    std::vector<std::pair<Waiter, Result<Lease>>> answered;
    std::erase_if(waiters, [&](Waiter& waiter) HOTMIC_REQUIRES(mutex) {
        if (state == ModelState::ready && instance->id() != waiter.lost)
            answered.emplace_back(std::move(waiter), Lease(instance));
        else if (hopeless)
            answered.emplace_back(std::move(waiter), std::unexpected(not_ready()));
        else if (now >= waiter.deadline)
            answered.emplace_back(std::move(waiter), timed_out());
        else
            return false;
        return true;
    });
    if (answered.empty()) return false;
    const Unlock meanwhile(mutex);
    for (auto& [waiter, lease] : answered) waiter.then(std::move(lease));
    answered.clear();
    return true;
}

Clock::time_point ModelManager::Impl::next_check() const {
    const auto now = Clock::now();
    auto next = now + std::chrono::hours(1);
    const auto at = [&](Clock::time_point time) { next = std::min(next, std::max(time, now + milliseconds(1))); };

    for (const auto& waiter : waiters) at(waiter.deadline);
    if (retry_at) at(*retry_at);
    if (state == ModelState::error && is_hopeless() && failed_file && !spec.path.empty())
        at(file_seen_at + options.supervise.file_check_interval);
    if (state == ModelState::ready) {
        // One that is in use now cannot be idle enough before the whole time has passed again.
        const auto idle = instance->idle_since().value_or(now);
        if (options.idle_unload > milliseconds(0)) at(idle + options.idle_unload);
        if (options.supervise.canary_interval > milliseconds(0) && !canary_flies)
            at(std::max(idle, canary_at) + options.supervise.canary_interval);
    }
    if (attempt && attempt->running && !attempt->outcome) {
        if (!attempt->stopped_as)
            at(next_look(*attempt, state, options, now));
        else if (state != ModelState::unloading)
            at(attempt->stop_asked + options.cancel_grace);
    }
    return next;
}

}  // namespace hotmic
