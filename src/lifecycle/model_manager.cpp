#include "hotmic/model_manager.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <format>
#include <mutex>
#include <random>
#include <utility>

#include "audio/clip.hpp"
#include "lifecycle/attempt.hpp"
#include "lifecycle/instance.hpp"
#include "lifecycle/memory_info.hpp"

namespace hotmic {
namespace {

using std::chrono::milliseconds;

double to_ms(Clock::duration duration) {
    return std::chrono::duration<double, std::milli>(duration).count();
}
double to_s(Clock::duration duration) {
    return std::chrono::duration<double>(duration).count();
}

const Error kShuttingDown{ErrorCode::shutting_down, "the server is shutting down",
                          "send the request to another instance"};

}  // namespace

FileFingerprint fingerprint_of(const std::filesystem::path& path) {
    std::error_code error;
    FileFingerprint print{.exists = std::filesystem::exists(path, error)};
    if (!print.exists) return print;
    if (const auto size = std::filesystem::file_size(path, error); !error) print.size = size;
    if (const auto time = std::filesystem::last_write_time(path, error); !error) print.modified = time;
    return print;
}

/// Threads: the watch (deadlines, stalls, retries, clearing up after a loss), one per attempt, one per unload. All
/// state is guarded by `mutex`; nothing slow happens under it.
class ModelManager::Impl {
public:
    Impl(std::string model_name, ModelSpec model_spec, std::shared_ptr<Provider> engine, LifecycleOptions opts,
         MemoryBroker& memory, Journal& record)
        : name(std::move(model_name)),
          spec(std::move(model_spec)),
          provider(std::move(engine)),
          options(opts),
          broker(memory),
          journal(record),
          watch([this](std::stop_token stop) { watch_loop(std::move(stop)); }) {}

    const std::string name;
    const ModelSpec spec;
    const std::shared_ptr<Provider> provider;
    const LifecycleOptions options;
    MemoryBroker& broker;
    Journal& journal;

    Result<void> initialize(Deadline deadline) {
        const auto file = fingerprint_of(spec.path);
        std::unique_lock lock(mutex);
        // An unload under way ends first; then this asks anew.
        if (!changed.wait_until(lock, deadline, [this] { return state != ModelState::unloading; })) return timed_out();
        if (state == ModelState::ready) return {};
        if (auto asked = ask(file); !asked) return asked;
        const auto mine = attempt;
        if (!changed.wait_until(lock, deadline, [&] { return mine->outcome.has_value(); })) return timed_out();
        return *mine->outcome;
    }

    void start() {
        const auto file = fingerprint_of(spec.path);
        const std::scoped_lock lock(mutex);
        if (state == ModelState::uninitialized || state == ModelState::error) (void)ask(file);
    }

    Result<void> wait_for_ready(Deadline deadline) {
        std::unique_lock lock(mutex);
        const auto settled = [this] {
            return state == ModelState::ready || state == ModelState::uninitialized ||
                   (state == ModelState::error && !retry_at);
        };
        if (!changed.wait_until(lock, deadline, settled)) return timed_out();
        if (state == ModelState::ready) return {};
        if (state == ModelState::error) return std::unexpected(*last_error);
        return std::unexpected(not_ready());
    }

    Result<Lease> acquire() {
        const std::scoped_lock lock(mutex);
        if (state != ModelState::ready) return std::unexpected(not_ready());
        return Lease(instance);
    }

    Result<UnloadReport> unload(Deadline deadline, std::optional<milliseconds> drain) {
        std::unique_lock lock(mutex);
        if (state == ModelState::uninitialized) return UnloadReport{};
        if (state != ModelState::unloading) begin_unload(drain.value_or(options.drain_timeout));
        const auto mine = unloading;
        if (!changed.wait_until(lock, deadline, [&] { return mine->done; })) {
            return fail(ErrorCode::unload_timeout, std::format("model {} is still unloading", name),
                        "it goes on by itself; ask for its state, or wait longer");
        }
        return mine->report;
    }

    Result<UnloadReport> shutdown(Deadline deadline, std::optional<milliseconds> drain) {
        {
            const std::scoped_lock lock(mutex);
            stopped = true;
        }
        return unload(deadline, drain);
    }

    Health health() const {
        const std::scoped_lock lock(mutex);
        const auto now = Clock::now();
        Health health{.model = name, .provider = std::string(provider->name()), .state = state};
        health.ready = state == ModelState::ready;
        health.warmup_complete = warmup_report && warmup_report->complete && health.ready;
        health.last_error = last_error;
        health.info = info;
        health.load_time_ms = load_time_ms;
        health.warmup_time_ms = warmup_report ? warmup_report->duration_ms : 0;
        health.state_age_ms = to_ms(now - state_since);
        health.resident_bytes = resident;
        if (retry_at) health.retry_in_seconds = std::max(0.0, to_s(*retry_at - now));
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
            health.mean_inference_ms = served.mean_inference_ms;
            health.first_request_ratio = served.first_request_ratio;
        }
        health.eta_seconds = eta(now);
        if (!health.ready) health.reason = reason();
        return health;
    }

    std::optional<WarmupReport> report() const {
        const std::scoped_lock lock(mutex);
        return warmup_report;
    }

    std::optional<UnloadReport> last_unload() const {
        const std::scoped_lock lock(mutex);
        return unloading && unloading->done ? std::optional(unloading->report) : std::nullopt;
    }

    ~Impl() {
        (void)shutdown(Deadline::max(), milliseconds(0));
        watch.request_stop();
        watch.join();
    }

private:
    struct Unloading {
        bool done = false;
        UnloadReport report;
        std::jthread thread;
    };

    // ── The state machine. The mutex is held in all of these.

    void transition(ModelState to, std::string cause) {
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
        watch_wakes.notify_all();
    }

    /// Makes an attempt, or joins the one that runs. Errors: why there can be none.
    Result<void> ask(const FileFingerprint& file) {
        if (stopped) return std::unexpected(kShuttingDown);
        if (state == ModelState::loading || state == ModelState::warming_up) return {};
        if (state == ModelState::error && spec_of(last_error->code).permanent && failed_file == file) {
            return std::unexpected(*last_error);
        }
        if (attempt && attempt->running) {
            return fail(ErrorCode::load_cancelled,
                        std::format("the engine is still giving up the previous load of {}", name), "try again later");
        }
        begin_attempt(1);
        return {};
    }

    void begin_attempt(int number) {
        retry_at.reset();
        if (attempt && attempt->thread.joinable()) attempt->thread.join();  // it has ended: `running` is false
        attempt = std::make_shared<Attempt>(std::format("{}-{:08x}", name, random()), number);
        transition(ModelState::loading, number == 1 ? "initialize" : std::format("retry {}", number - 1));
        loaded_once = false;
        info.reset();
        warmup_report.reset();
        resident = 0;
        attempt->thread = std::jthread([this, mine = attempt.get()] { run_attempt(*mine); });
    }

    void begin_unload(milliseconds drain) {
        transition(ModelState::unloading, stopped ? "shutdown" : "unload");
        retry_at.reset();
        if (unloading && unloading->thread.joinable()) unloading->thread.join();  // an earlier one, long done
        unloading = std::make_shared<Unloading>();
        if (attempt && attempt->running && !attempt->stopped_as) {
            attempt->stopped_as = Error{ErrorCode::load_cancelled, "the load was cancelled by an unload"};
        }
        unloading->thread = std::jthread([this, mine = unloading.get(), drain] { run_unload(*mine, drain); });
    }

    void ask_to_stop(Attempt& running, Error why) {
        running.stopped_as = std::move(why);
        running.stop_asked = Clock::now();
        stops_due =
            true;  // the watch requests it: stop callbacks kill processes, which is nothing to do under the mutex
        watch_wakes.notify_all();
    }

    void fail_attempt(Attempt& failed, Error error) {
        last_error = error;
        failed_file = failed.file;
        failed.outcome = std::unexpected(error);
        schedule_retry(error, failed.number);
        transition(ModelState::error, std::format("{}: {}", to_string(error.code), error.message));
    }

    void schedule_retry(const Error& error, int attempts) {
        if (stopped || spec_of(error.code).permanent || attempts >= options.retry.max_attempts) return;
        const double backoff = static_cast<double>(options.retry.initial_backoff.count()) * std::pow(2.0, attempts - 1);
        const double capped = std::min(backoff, static_cast<double>(options.retry.max_backoff.count()));
        const double factor =
            std::uniform_real_distribution(1 - options.retry.jitter, 1 + options.retry.jitter)(random);
        retry_at = Clock::now() + milliseconds(static_cast<std::int64_t>(capped * factor));
        next_attempt = attempts + 1;
    }

    // ── The attempt's thread.

    void run_attempt(Attempt& mine) {
        auto made = make_ready(mine);
        // What is left of a failed attempt is gone before its failure is told: memory is back, the worker reaped.
        std::unique_lock lock(mutex);
        if (!made) {
            auto error = mine.stopped_as.value_or(std::move(made).error());
            reservation = {};
            if (mine.outcome) {
                // The watch gave up on it and said so; or an unload cancelled it.
            } else if (state == ModelState::unloading) {
                mine.outcome = std::unexpected(*mine.stopped_as);
            } else {
                fail_attempt(mine, std::move(error));
            }
        }
        mine.running = false;
        changed.notify_all();
        watch_wakes.notify_all();
    }

    Result<void> make_ready(Attempt& mine) {
        const auto stop = mine.stop.get_token();
        if (auto fit = preflight(mine); !fit) return fit;

        const auto resident_before = resident_memory();
        auto model = provider->load(spec, mine.progress, stop);
        if (!model) return std::unexpected(std::move(model).error());
        (*model)->on_lost([this, id = mine.id](const Error& error) { lost(id, error); });

        // From here on a stop must reach the engine itself: opening a slot or an inference may be what hangs.
        const auto fresh = std::make_shared<ModelInstance>(mine.id, *std::move(model));
        std::optional<std::stop_callback<std::function<void()>>> terminate(std::in_place, stop,
                                                                           [&fresh] { fresh->terminate(); });
        if (auto opened = fresh->open({options.max_waiting, options.queue_timeout, options.request_timeout},
                                      [&] { mine.progress.beat(); });
            !opened) {
            auto error = std::move(opened).error();
            if (error.code == ErrorCode::model_lost) error.code = ErrorCode::worker_crashed;
            return std::unexpected(std::move(error));
        }

        const auto resident_bytes = [&] {
            if (const auto bytes = fresh->resident_bytes(); bytes > 0) return bytes;
            const auto now = resident_memory();  // in-process: the growth since before the load
            return now - std::min(now, resident_before);
        };
        auto warm = warm_up(mine, fresh, resident_bytes);
        terminate.reset();
        if (warm) {
            const auto bytes = resident_bytes();
            const std::scoped_lock lock(mutex);
            if (!mine.stopped_as && !mine.lost) {
                publish_ready(mine, fresh, bytes);
                return {};
            }
            warm = std::unexpected(mine.stopped_as ? *mine.stopped_as : *mine.lost);
            if (!mine.stopped_as) warm.error().code = ErrorCode::worker_crashed;
        }
        fresh->close(milliseconds(0), options.cancel_grace, warm.error());
        trim_heap();
        return warm;
    }

    /// Everything that can be refused before gigabytes are read.
    Result<void> preflight(Attempt& mine) {
        {
            const auto file = fingerprint_of(spec.path);
            const std::scoped_lock lock(mutex);
            mine.file = file;
        }
        if (const auto availability = provider->availability(); !availability.available) {
            return fail(ErrorCode::provider_unavailable,
                        std::format("provider {} cannot run here: {}", provider->name(), availability.reason),
                        availability.remedy);
        }
        if (auto file = provider->inspect(spec); !file) return std::unexpected(std::move(file).error());
        auto need = provider->estimate(spec);
        if (!need) return std::unexpected(std::move(need).error());
        auto claim = broker.reserve(need->total_bytes(), std::format("model {}", name));
        if (!claim) return std::unexpected(std::move(claim).error());
        const std::scoped_lock lock(mutex);
        reservation = *std::move(claim);
        return {};
    }

    Result<void> warm_up(Attempt& mine, const std::shared_ptr<ModelInstance>& fresh,
                         const std::function<std::uint64_t()>& resident_bytes) {
        const auto bytes = resident_bytes();
        {
            const std::scoped_lock lock(mutex);
            if (mine.stopped_as) return std::unexpected(*mine.stopped_as);
            load_time_ms = to_ms(Clock::now() - mine.began);
            info = fresh->info();
            resident = bytes;
            if (options.warmup.level == 0) return {};
            transition(ModelState::warming_up, "loaded");
            mine.warmup_began = Clock::now();
        }
        const auto on_progress = [&](const WarmupProgress& progress) {
            const std::scoped_lock lock(mutex);
            mine.warmup = progress;
        };
        auto report = run_warmup(Lease(fresh), options.warmup, mine.stop.get_token(), on_progress, resident_bytes);
        if (!report) return std::unexpected(std::move(report).error());
        const std::scoped_lock lock(mutex);
        warmup_report = *std::move(report);
        return {};
    }

    void publish_ready(Attempt& mine, const std::shared_ptr<ModelInstance>& fresh, std::uint64_t bytes) {
        instance = fresh;  // a lease can be had from the moment the state says so: both happen under one lock
        resident = bytes;
        reservation.settle();
        last_error.reset();
        loaded_once = true;
        fresh->begin_serving(warmup_report ? warmup_report->steady_ms / 1000 / audio::builtin_clip().seconds : 0);
        mine.outcome = Result<void>{};
        transition(ModelState::ready, options.warmup.level == 0 ? "loaded, warmup is off" : "warm");
    }

    /// The model died by itself. Called on the thread that noticed.
    void lost(const std::string& id, const Error& error) {
        const std::scoped_lock lock(mutex);
        if (!attempt || attempt->id != id) return;
        attempt->lost = error;
        if (state != ModelState::ready) return;  // the attempt or the unload under way sees it
        last_error = error;
        corpse = std::exchange(instance, nullptr);
        schedule_retry(error, 1);
        transition(ModelState::error, std::format("{}: {}", to_string(error.code), error.message));
    }

    // ── The unload's thread.

    void run_unload(Unloading& mine, milliseconds drain) {
        const auto began = Clock::now();
        std::unique_lock lock(mutex);
        if (const auto running = attempt; running && running->running) {
            lock.unlock();
            running->stop.request_stop();
            lock.lock();
        }
        changed.wait(lock, [this] { return !(attempt && attempt->running) && corpse == nullptr && !clearing; });
        const auto leaving = std::exchange(instance, nullptr);
        lock.unlock();

        UnloadReport report;
        if (leaving) {
            report.resident_before_bytes = leaving->resident_bytes();
            const bool in_worker = report.resident_before_bytes > 0;
            if (!in_worker) report.resident_before_bytes = resident_memory();
            const Error why{ErrorCode::model_unloaded,
                            std::format("model {} was unloaded before the request was answered", name),
                            "load it again, or send the request elsewhere"};
            report.cancelled_requests = leaving->close(drain, options.cancel_grace, why).cancelled;
            trim_heap();
            report.process_gone = in_worker;
            report.resident_after_bytes = in_worker ? leaving->resident_bytes() : resident_memory();
        }
        report.duration_ms = to_ms(Clock::now() - began);
        spdlog::info(
            "model unloaded model={} resident_before_mb={} resident_after_mb={} cancelled={} duration_ms={:.0f}", name,
            report.resident_before_bytes >> 20, report.resident_after_bytes >> 20, report.cancelled_requests,
            report.duration_ms);

        lock.lock();
        mine.report = report;
        mine.done = true;
        reservation = {};
        info.reset();
        resident = 0;
        last_error.reset();
        transition(ModelState::uninitialized, "unloaded");
    }

    // ── The watch.

    void watch_loop(std::stop_token stop) {
        std::unique_lock lock(mutex);
        while (!stop.stop_requested()) {
            check_limits(Clock::now());
            if (std::exchange(stops_due, false) && attempt) {
                const auto stopping = attempt;
                lock.unlock();
                stopping->stop.request_stop();
                lock.lock();
                continue;
            }
            if (corpse) {
                clearing = true;
                const auto dead = std::exchange(corpse, nullptr);
                const Error why = last_error.value_or(Error{ErrorCode::model_lost, "the model was lost"});
                lock.unlock();
                dead->close(milliseconds(0), options.cancel_grace, why);
                lock.lock();
                clearing = false;
                changed.notify_all();
                continue;
            }
            if (retry_at && Clock::now() >= *retry_at && !(attempt && attempt->running)) {
                begin_attempt(next_attempt);
                continue;
            }
            watch_wakes.wait_until(lock, stop, next_check(),
                                   [this] { return stops_due || corpse != nullptr || state != watched; });
            watched = state;
        }
    }

    void check_limits(Clock::time_point now) {
        if (!attempt || !attempt->running || attempt->outcome) return;
        auto& mine = *attempt;
        if (mine.stopped_as) {
            // An in-process engine that does not look at its stop token: it cannot be ended, but nobody waits for it.
            if (now >= mine.stop_asked + options.cancel_grace && state != ModelState::unloading) {
                fail_attempt(mine, *mine.stopped_as);
            }
            return;
        }
        if (const auto beats = mine.progress.snapshot().beats; beats != mine.beats) {
            mine.beats = beats;
            mine.beat_at = now;
        }
        if (state == ModelState::loading) {
            const auto [done, total, beats] = mine.progress.snapshot();
            const auto so_far = std::format("{} of {} MB had been read", done >> 20, total >> 20);
            if (now >= mine.began + options.load_timeout) {
                ask_to_stop(mine, Error{ErrorCode::load_timeout,
                                        std::format("loading {} took longer than {} ms ({})", name,
                                                    options.load_timeout.count(), so_far),
                                        "use faster storage, or raise load_timeout_ms"});
            } else if (now >= mine.beat_at + options.stall_timeout) {
                ask_to_stop(mine, Error{ErrorCode::load_stalled,
                                        std::format("loading {} made no progress for {} ms ({})", name,
                                                    options.stall_timeout.count(), so_far),
                                        "check the disk or network share the model is on, or raise stall_timeout_ms"});
            }
        } else if (state == ModelState::warming_up && now >= *mine.warmup_began + options.warmup.timeout) {
            ask_to_stop(mine,
                        Error{ErrorCode::warmup_timeout,
                              std::format("warming up {} took longer than {} ms (level {}, {} inferences done)", name,
                                          options.warmup.timeout.count(), mine.warmup.level, mine.warmup.inferences),
                              "use a smaller model, a lower warmup level, or raise warmup.timeout_ms"});
        }
    }

    Clock::time_point next_check() const {
        const auto now = Clock::now();
        auto next = now + std::chrono::hours(1);
        if (retry_at) next = std::min(next, std::max(*retry_at, now + milliseconds(1)));
        if (!attempt || !attempt->running || attempt->outcome) return next;
        const auto& mine = *attempt;
        if (mine.stopped_as) {
            if (state == ModelState::unloading) return next;
            return std::min(next, std::max(mine.stop_asked + options.cancel_grace, now + milliseconds(1)));
        }
        if (state == ModelState::loading) {
            next = std::min({next, mine.began + options.load_timeout, mine.beat_at + options.stall_timeout});
            // Signs of life are noticed at this grain, so a stall is found at most this much late.
            next = std::min(next, now + std::max(options.stall_timeout / 8, milliseconds(1)));
        }
        if (state == ModelState::warming_up) next = std::min(next, *mine.warmup_began + options.warmup.timeout);
        return next;
    }

    // ── What is told.

    std::optional<double> eta(Clock::time_point now) const {
        if (state == ModelState::error && retry_at) return std::max(0.0, to_s(*retry_at - now));
        if (!attempt) return std::nullopt;
        if (state == ModelState::loading) {
            const auto [done, total, beats] = attempt->progress.snapshot();
            if (done == 0 || total == 0) return std::nullopt;
            const double elapsed = to_s(now - attempt->began);
            return elapsed * static_cast<double>(total - std::min(done, total)) / static_cast<double>(done);
        }
        if (state == ModelState::warming_up && attempt->warmup.remaining) {
            return static_cast<double>(attempt->warmup.remaining->count()) / 1000;
        }
        return std::nullopt;
    }

    std::string reason() const {
        switch (state) {
            case ModelState::uninitialized:
                return loaded_once ? "the model has been unloaded" : "the model has not been asked for yet";
            case ModelState::loading: {
                const auto [done, total, beats] = attempt->progress.snapshot();
                if (total == 0) return "the model is loading";
                return std::format("the model is loading: {} of {} MB", done >> 20, total >> 20);
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

    Error not_ready() const {
        if (stopped) return kShuttingDown;
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

    std::unexpected<Error> timed_out() const {
        return fail(ErrorCode::wait_timeout, std::format("model {} was not ready in time: {}", name, reason()),
                    "the load goes on; wait longer, or ask again");
    }

    friend class ModelManager;

    mutable std::mutex mutex;
    std::condition_variable_any changed;      // state, outcomes, ends of threads
    std::condition_variable_any watch_wakes;  // for the watch

    ModelState state = ModelState::uninitialized;
    ModelState watched = ModelState::uninitialized;
    Clock::time_point state_since = Clock::now();
    bool stopped = false;    // shutdown: nothing is loaded any more
    bool stops_due = false;  // an attempt was asked to stop and has not been told yet
    bool clearing = false;   // the watch is closing a lost instance
    bool loaded_once = false;

    std::shared_ptr<Attempt> attempt;
    std::shared_ptr<ModelInstance> instance;  // the one that serves
    std::shared_ptr<ModelInstance> corpse;    // lost, to be cleared up by the watch
    std::shared_ptr<Unloading> unloading;
    MemoryBroker::Reservation reservation;

    std::optional<Error> last_error;
    FileFingerprint failed_file;
    std::optional<Clock::time_point> retry_at;
    int next_attempt = 1;
    std::mt19937 random{std::random_device{}()};

    std::optional<ModelInfo> info;
    std::optional<WarmupReport> warmup_report;
    double load_time_ms = 0;
    std::uint64_t resident = 0;

    std::jthread watch;
};

ModelManager::ModelManager(std::string name, ModelSpec spec, std::shared_ptr<Provider> provider,
                           LifecycleOptions options, MemoryBroker& broker, Journal& journal)
    : impl_(std::make_unique<Impl>(std::move(name), std::move(spec), std::move(provider), options, broker, journal)) {}

ModelManager::~ModelManager() = default;

Result<void> ModelManager::initialize(Deadline deadline) {
    return impl_->initialize(deadline);
}
void ModelManager::start() {
    impl_->start();
}
Result<void> ModelManager::wait_for_ready(Deadline deadline) {
    return impl_->wait_for_ready(deadline);
}
Result<Lease> ModelManager::acquire() {
    return impl_->acquire();
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
const Journal& ModelManager::journal() const noexcept {
    return impl_->journal;
}

}  // namespace hotmic
