#include "hotmic/model_manager.hpp"

#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <format>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/health.hpp"
#include "hotmic/journal.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/lifecycle_options.hpp"
#include "hotmic/memory_broker.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"
#include "hotmic/warmup.hpp"
#include "lifecycle/attempt.hpp"
#include "lifecycle/fingerprint.hpp"
#include "lifecycle/manager_impl.hpp"
#include "lifecycle/quarantine.hpp"
#include "system/mutex.hpp"
#include "system/start_thread.hpp"

namespace hotmic {

using std::chrono::milliseconds;

ModelManager::Impl::Impl(std::string model_name, ModelSpec model_spec, std::shared_ptr<Provider> engine,
                         LifecycleOptions opts, MemoryBroker& memory, Journal& record, std::vector<Alternative> others)
    : name(std::move(model_name)),
      spec(model_spec),
      ways([&] {
          others.insert(others.begin(), {std::move(model_spec), std::move(engine)});
          return std::move(others);
      }()),
      options(std::move(opts)),
      broker(memory),
      journal(record),
      recovery(options.retry, options.supervise, std::random_device{}()),
      quarantine(std::make_shared<Quarantine>(options.supervise.poison_refusal)),
      watch([this](const std::stop_token& stop) { watch_loop(stop); }) {}

ModelManager::Impl::~Impl() {
    (void)shutdown(Deadline::max(), milliseconds(0));
    watch.request_stop();
    watch.join();
    for (const auto& waiter : waiters) waiter.then(std::unexpected(shutting_down()));
}

// ── What may be asked.

Result<void> ModelManager::Impl::initialize(Deadline deadline) {
    const auto file = fingerprint_of(spec.path);
    Lock lock(mutex);
    // What is ending ends first: an unload, or the attempt of a model that died as soon as it was READY.
    const auto ended = [this] HOTMIC_REQUIRES(mutex) {
        return state != ModelState::unloading && !(state == ModelState::error && is_winding_up());
    };
    if (!changed.wait_until(lock, deadline, ended)) return timed_out();
    if (state == ModelState::ready) return {};
    if (auto asked = ask(file); !asked) return asked;
    const auto mine = attempt;
    if (!changed.wait_until(lock, deadline, [&] { return mine->outcome.has_value(); })) return timed_out();
    return *mine->outcome;
}

void ModelManager::Impl::start() {
    const auto file = fingerprint_of(spec.path);
    const Lock lock(mutex);
    if (state == ModelState::uninitialized || state == ModelState::error) (void)ask(file);
}

void ModelManager::Impl::forgive() {
    const Lock lock(mutex);
    recovery.forgive();
    quarantine->clear();
    forget_ways();
    failed_file.reset();
}

Result<void> ModelManager::Impl::wait_for_ready(Deadline deadline) {
    Lock lock(mutex);
    const auto settled = [this] HOTMIC_REQUIRES(mutex) {
        return state == ModelState::ready || state == ModelState::uninitialized ||
               (state == ModelState::error && is_hopeless());
    };
    if (!changed.wait_until(lock, deadline, settled)) return timed_out();
    if (state == ModelState::ready) return {};
    if (state == ModelState::error) return std::unexpected(*last_error);
    return std::unexpected(not_ready());
}

Result<Lease> ModelManager::Impl::acquire() {
    const Lock lock(mutex);
    if (state != ModelState::ready) return std::unexpected(not_ready());
    return Lease(instance);
}

void ModelManager::Impl::when_ready(Deadline deadline, std::function<void(Result<Lease>)> then,
                                    std::string lost_instance) {
    const Lock lock(mutex);
    waiters.push_back({deadline, std::move(then), std::move(lost_instance)});
    wake_watch();
}

Result<UnloadReport> ModelManager::Impl::unload(Deadline deadline, std::optional<milliseconds> drain) {
    Lock lock(mutex);
    resting = false;
    if (state == ModelState::uninitialized) return UnloadReport{};
    const auto drained_by = deadline_in(drain.value_or(options.drain_timeout));
    if (state != ModelState::unloading) {
        begin_unload(drained_by, stopped ? "shutdown" : "unload");
    } else if (drained_by < unloading->drained_by) {  // one that has less patience joins
        unloading->drained_by = drained_by;
        if (unloading->leaving) unloading->leaving->hurry(drained_by);
    }
    const auto mine = unloading;
    if (!changed.wait_until(lock, deadline, [&] { return mine->done; })) {
        return fail(ErrorCode::unload_timeout, std::format("model {} is still unloading", name),
                    "it goes on by itself; ask for its state, or wait longer");
    }
    return mine->report;
}

Result<UnloadReport> ModelManager::Impl::shutdown(Deadline deadline, std::optional<milliseconds> drain) {
    {
        const Lock lock(mutex);
        stopped = true;
    }
    return unload(deadline, drain);
}

// ── The state machine.

void ModelManager::Impl::transition(ModelState to, std::string cause) {
    if (!is_allowed(state, to)) {
        spdlog::critical("forbidden transition model={} from={} to={} cause=\"{}\"", name, to_string(state),
                         to_string(to), cause);
        std::abort();  // a defect of ours: going on would make health lie
    }
    const auto now = Clock::now();
    Transition step{.wall = std::chrono::system_clock::now(),
                    .monotonic = now,
                    .model = name,
                    .instance = attempt ? attempt->id : std::string{},
                    .from = state,
                    .to = to,
                    .cause = std::move(cause),
                    .phase = now - state_since};
    spdlog::log(to == ModelState::error ? spdlog::level::err : spdlog::level::info,
                "model state model={} instance={} from={} to={} after_ms={:.0f} cause=\"{}\"", name, step.instance,
                to_string(state), to_string(to), to_ms(step.phase), step.cause);
    state = to;
    state_since = now;
    journal.append(std::move(step));
    changed.notify_all();
    wake_watch();
}

void ModelManager::Impl::wake_watch() {
    watch_due = true;
    watch_wakes.notify_all();
}

/// Makes an attempt, or joins the one that runs. Errors: why there can be none.
Result<void> ModelManager::Impl::ask(const FileFingerprint& file) {
    if (stopped) return std::unexpected(shutting_down());
    if (state == ModelState::loading || state == ModelState::warming_up) return {};
    if (state == ModelState::error && spec_of(last_error->code).permanent && failed_file == file) {
        return std::unexpected(*last_error);
    }
    if (is_winding_up()) {  // the watch begins the next one as soon as this one has ended
        recovery.begin_series();
        retry_at = Clock::now();
        pausing = false;
        wake_watch();
        return {};
    }
    if (attempt && attempt->running) {
        return fail(ErrorCode::load_cancelled,
                    std::format("the engine is still giving up the previous load of {}", name), "try again later");
    }
    recovery.begin_series();
    begin_attempt("initialize");
    return {};
}

void ModelManager::Impl::begin_attempt(const std::string& cause, bool recovers) {
    retry_at.reset();
    pausing = resting = false;
    if (attempt && attempt->thread.joinable()) attempt->thread.join();  // it has ended: `running` is false
    attempt = std::make_shared<Attempt>(name, std::format("{}-{:08x}", name, random()), ways[way],
                                        recovery.failures() + 1, recovers);
    transition(ModelState::loading, cause);
    loaded_once = false;
    info.reset();
    warmup_report.reset();
    resident = {};
    auto thread = system::start_thread([this, mine = attempt.get()] { run_attempt(*mine); });
    if (thread) {
        attempt->thread = *std::move(thread);
    } else {
        attempt->running = false;
        fail_attempt(*attempt, thread.error());
    }
}

void ModelManager::Impl::begin_unload(Deadline drained_by, const std::string& cause) {
    transition(ModelState::unloading, cause);
    retry_at.reset();
    pausing = wanted = false;
    if (unloading && unloading->thread.joinable()) unloading->thread.join();  // an earlier one, long done
    unloading = std::make_shared<Unloading>();
    if (attempt && attempt->running && !attempt->stopped_as) {
        attempt->stopped_as = Error{ErrorCode::load_cancelled, "the load was cancelled by an unload"};
    }
    unloading->drained_by = drained_by;
    auto thread = system::start_thread([this, mine = unloading.get()] { run_unload(*mine); });
    if (thread) {
        unloading->thread = *std::move(thread);
    } else {
        unload_due = true;  // the watch has nothing better to do then
        wake_watch();
    }
}

/// The watch does the asking: stop callbacks kill processes, which is nothing to do under the mutex.
void ModelManager::Impl::ask_to_stop(Attempt& running, Error why) {
    running.stopped_as = std::move(why);
    running.stop_asked = Clock::now();
    stops_due = true;
    wake_watch();
}

void ModelManager::Impl::fail_attempt(Attempt& failed, const Error& error) {
    const auto verdict = try_next_way(error) ? Recovery::Verdict{.wait = Clock::duration::zero()}
                                             : recovery.after_failure(error, Clock::now());
    enter_error(error, failed.file, verdict);
    failed.outcome = std::unexpected(*last_error);
    changed.notify_all();
}

/// The serving instance is no longer one. A request that it had at its last death, too, explains both.
void ModelManager::Impl::die(const Error& error) {
    const auto now = Clock::now();
    dead_instance = std::exchange(instance, nullptr);
    death_cause = Error{ErrorCode::model_lost, error.message, "send the request again"};
    const auto explained = quarantine->note_death(dead_instance->casualties(), now);
    for (const auto& death : explained) recovery.excuse(death);
    if (!explained.empty())
        spdlog::warn("poison model={} instance={} cause={:?}", name, dead_instance->id(), error.message);
    auto verdict = recovery.after_death(now, !explained.empty());
    if (try_next_way(error)) verdict = {.wait = Clock::duration::zero()};
    enter_error(error, attempt->file, verdict);
}

/// Where a model cannot run, or not truly, one way, there may be another.
bool ModelManager::Impl::try_next_way(const Error& error) {
    const bool concerned = error.code == ErrorCode::disqualified || error.code == ErrorCode::warmup_failed ||
                           error.code == ErrorCode::load_failed || error.code == ErrorCode::provider_unavailable;
    if (!concerned || stopped || way + 1 >= ways.size()) return false;
    const auto told = [](const Alternative& each) {
        return std::format("{} on {}", each.provider->name(), each.spec.backend);
    };
    passed_over += std::format("{}{}: {}", passed_over.empty() ? "" : "; ", told(ways[way]), error.message);
    ++way;
    spdlog::warn("passed over model={} next={:?} cause={:?}", name, told(ways[way]), error.message);
    return true;
}

void ModelManager::Impl::forget_ways() {
    way = 0;
    passed_over.clear();
}

void ModelManager::Impl::enter_error(Error error, const FileFingerprint& file, const Recovery::Verdict& verdict) {
    const auto now = Clock::now();
    if (verdict.crash_loop) {
        error = {ErrorCode::crash_loop,
                 std::format("model {} died {} times within {} s; the last time: {}", name, recovery.deaths(now),
                             options.supervise.crash_loop_window.count() / 1000, error.message),
                 std::format("it is tried again in {} s; mend the cause, then ask for it (hotmic load {}), or change "
                             "the model file",
                             std::chrono::ceil<std::chrono::seconds>(*verdict.wait).count(), name)};
    }
    if (verdict.wait && !stopped) retry_at = now + *verdict.wait;
    pausing = verdict.pause;
    if (is_hopeless()) wanted = false;
    last_error = error;
    failed_file = file;
    seen_file = file;
    file_seen_at = now;
    transition(ModelState::error, std::format("{}: {}", to_string(error.code), error.message));
}

bool ModelManager::Impl::wakes_on_demand() const {
    return !stopped && (resting || (options.load_on_demand && !loaded_once));
}

/// Whether a request does well to wait: it is loaded for that one, or is being loaded for another.
bool ModelManager::Impl::is_awaited() const {
    const bool gone = state == ModelState::uninitialized || state == ModelState::unloading;
    return gone ? wakes_on_demand() : wanted && state != ModelState::ready && !stopped;
}

/// The last attempt made the model READY, and has yet to put away its tools.
bool ModelManager::Impl::is_winding_up() const {
    return attempt && attempt->running && attempt->outcome && attempt->outcome->has_value();
}

/// In ERROR, and not tried again soon.
bool ModelManager::Impl::is_hopeless() const {
    return !retry_at || pausing;
}

// ── The public face.

ModelManager::ModelManager(std::string name, ModelSpec spec, std::shared_ptr<Provider> provider,
                           LifecycleOptions options, MemoryBroker& broker, Journal& journal,
                           std::vector<Alternative> alternatives)
    : impl_(std::make_unique<Impl>(std::move(name), std::move(spec), std::move(provider), std::move(options), broker,
                                   journal, std::move(alternatives))) {}

ModelManager::~ModelManager() = default;

Result<void> ModelManager::initialize(Deadline deadline) {
    return impl_->initialize(deadline);
}
void ModelManager::start() {
    impl_->start();
}
void ModelManager::forgive() {
    impl_->forgive();
}
Result<void> ModelManager::wait_for_ready(Deadline deadline) {
    return impl_->wait_for_ready(deadline);
}
Result<Lease> ModelManager::acquire() {
    return impl_->acquire();
}
void ModelManager::when_ready(Deadline deadline, std::function<void(Result<Lease>)> then, std::string lost) {
    impl_->when_ready(deadline, std::move(then), std::move(lost));
}
Result<UnloadReport> ModelManager::unload(Deadline deadline, std::optional<milliseconds> drain) {
    return impl_->unload(deadline, drain);
}
Result<UnloadReport> ModelManager::shutdown(Deadline deadline, std::optional<milliseconds> drain) {
    return impl_->shutdown(deadline, drain);
}
Health ModelManager::health() const {
    return impl_->health();
}
std::uint64_t ModelManager::come_round() {
    return impl_->come_round();
}
std::optional<WarmupReport> ModelManager::warmup_report() const {
    return impl_->report();
}
std::optional<UnloadReport> ModelManager::last_unload() const {
    return impl_->last_unload();
}
const std::string& ModelManager::name() const noexcept {
    return impl_->name;
}
const ModelSpec& ModelManager::spec() const noexcept {
    return impl_->spec;
}
const LifecycleOptions& ModelManager::options() const noexcept {
    return impl_->options;
}
const Journal& ModelManager::journal() const noexcept {
    return impl_->journal;
}

}  // namespace hotmic
