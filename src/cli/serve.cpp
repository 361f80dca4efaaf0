#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <format>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cli/commands.hpp"
#include "cli/plan.hpp"
#include "cli/server_planner.hpp"
#include "cli/single_model.hpp"
#include "cli/terminal.hpp"
#include "cli/vad_model.hpp"
#include "config/config.hpp"
#include "hotmic/error.hpp"
#include "hotmic/journal.hpp"
#include "hotmic/memory_broker.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/served_model.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"
#include "jobs/jobs.hpp"
#include "server/catalog.hpp"
#include "server/fallback.hpp"
#include "server/keys.hpp"
#include "server/ports.hpp"
#include "server/server.hpp"
#include "server/service_reporter.hpp"
#include "server/upload.hpp"
#include "store/downloads.hpp"
#include "system/heap.hpp"
#include "system/mutex.hpp"
#include "system/sandbox.hpp"
#include "system/service_manager.hpp"
#include "telemetry/metrics.hpp"
#include "text/human_size.hpp"
#include "worker/decoders.hpp"
#include "worker/examiner.hpp"

namespace hotmic::cli {
namespace {

/// SIGTERM, SIGINT and SIGHUP are the server's to take. Blocked here, before any thread exists, all threads inherit
/// that.
void block_signals() {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigaddset(&signals, SIGINT);
    ::sigaddset(&signals, SIGHUP);
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

/// Every connection is an open file, and so is its upload; the usual soft limit of 1024 is below the usual number of
/// connections allowed.
void raise_file_limit(std::uint32_t max_connections) {
    constexpr rlim_t own = 128;
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    const auto needed = 2 * rlim_t{max_connections} + own;
    if (limit.rlim_cur >= needed) return;
    limit.rlim_cur = std::min(needed, limit.rlim_max);
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < needed) {
        spdlog::warn("too few open files are allowed for max_connections allowed={} needed={}", limit.rlim_cur, needed);
    }
}

/// Where large uploads go. A folder that was named has to be usable; without the usual one they stay in memory.
/// Errors: io_error, disk_full.
Result<std::shared_ptr<server::Spool>> open_spool(const config::Server& server) {
    auto spool = server::Spool::open(server.upload_dir, server.max_spooled_bytes);
    if (spool || !server.upload_dir.empty()) return spool;
    spdlog::warn("uploads stay in memory: {}", spool.error().describe());
    return std::make_shared<server::Spool>(server.max_spooled_bytes);
}

/// Null: none are kept. Errors: those of Jobs::open.
Result<std::shared_ptr<jobs::Jobs>> open_jobs(const config::Config& config) {
    const auto& jobs = config.jobs;
    if (jobs.dir.empty()) return nullptr;
    return jobs::Jobs::open({.dir = jobs.dir,
                             .limits = {.jobs = jobs.max_jobs, .size = Bytes(jobs.max_bytes)},
                             .keep = jobs.keep,
                             .parallel = jobs.parallel,
                             .max_recording = Bytes(config.server.max_body_bytes),
                             .url_hosts = jobs.url_hosts,
                             .webhook_hosts = jobs.webhook_hosts,
                             .webhook_secret = jobs.webhook_secret,
                             .webhook_timeout = jobs.webhook_timeout,
                             .webhook_retry = jobs.webhook_retry});
}

/// The sockets that systemd passed.
Result<std::vector<server::PassedSocket>> passed_sockets() {
    auto inherited = system::take_inherited_sockets();
    if (!inherited) return std::unexpected(std::move(inherited).error());
    std::vector<server::PassedSocket> sockets;
    for (auto& each : *inherited) sockets.push_back({each.descriptor, std::move(each.name)});
    return sockets;
}

server::ServiceManager service_manager() {
    if (!system::has_service_manager()) return {};
    return {.tell = system::tell_service_manager, .watchdog = system::watchdog_interval()};
}

/// What the machine lacks is told, and an error where the configuration requires it.
Result<void> check_sandbox(const config::Config& config) {
    const auto mode = confinement_of(config).mode;
    const auto support = system::SandboxSupport::of_kernel();
    if (auto enough = system::check(mode, support); !enough) return enough;
    if (mode == system::Sandbox::off)
        spdlog::warn("sandbox is off: workers and decoders may do whatever the server may");
    else if (const auto lacks = support.lacks(); !lacks.empty())
        spdlog::warn("sandbox: this machine gives {}; sandbox = \"require\" would refuse to start", lacks);
    return {};
}

telemetry::Metrics::DecoderGauges gauges_of(const worker::Decoders& decoders) {
    const auto figures = decoders.figures();
    const auto number = [](std::uint64_t count) { return static_cast<double>(count); };
    return {.running = number(figures.running),
            .begun = number(figures.begun),
            .lost = {{"crashed", number(figures.crashed)},
                     {"limited", number(figures.limited)},
                     {"hung", number(figures.hung)}},
            .replaced = number(figures.again)};
}

/// What READY and ERROR have to say beyond the transition itself.
void elaborate(const Transition& step, const server::ModelCatalog& catalog) {
    const auto entry = catalog.find(step.model);
    if (!entry) return;
    const auto& model = *(*entry)->model;
    if (step.to == ModelState::ready) {
        const auto report = model.warmup_report();
        if (!report || report->steady <= Seconds::zero()) return say("             ready, without a warmup");
        std::string text = std::format("             steady latency {} on the warmup clip", human_time(report->steady));
        if (report->cold_penalty > 0)
            text += std::format("; the first inference took {:.2f} × that", report->cold_penalty);
        if (report->resident_after) text += std::format("; {} resident", human_size(report->resident_after));
        say(text);
    } else if (step.to == ModelState::error) {
        const auto health = model.health();
        if (!health.last_error) return;
        say("             " + paint(stdout, Colour::red, health.last_error->message));
        if (!health.last_error->remedy.empty()) say("             → " + health.last_error->remedy);
        if (health.retry_in) say(std::format("             trying again in {:.1f} s", health.retry_in->count()));
    }
}

/// From the moment that the port is bound: models are chosen, which reads files and may take long, and begun.
class Opening {
public:
    /// Called on a thread of its own.
    struct Steps {
        std::function<Result<void>()> choose;
        std::function<void()> announce;  ///< that requests are answered
        std::function<void()> begin;
    };

    explicit Opening(Steps steps) : steps_(std::move(steps)) {}

    void start() {
        auto chosen = std::make_shared<std::promise<Result<void>>>();
        threads_.emplace_back([this, chosen] { chosen->set_value(steps_.choose()); });
        threads_.emplace_back([this, done = chosen->get_future()] mutable { run(std::move(done)); });
    }

    /// From now on no model is begun.
    void cancel() {
        const Lock lock(mutex_);
        cancelled_ = true;
    }
    /// Why models could not be chosen. After the server's end.
    [[nodiscard]] std::optional<Error> join() {
        threads_.clear();
        const Lock lock(mutex_);
        return failure_;
    }

private:
    void run(std::future<Result<void>> done) {
        // Mostly it is over at once, and what is announced is complete.
        constexpr std::chrono::seconds patience{1};
        const bool soon = done.wait_for(patience) == std::future_status::ready;
        if (!soon) steps_.announce();
        const auto chosen = done.get();
        const Lock lock(mutex_);
        if (cancelled_) return;
        if (!chosen) {
            failure_ = chosen.error();
            ::kill(::getpid(), SIGTERM);  // ended as ever
            return;
        }
        if (soon) steps_.announce();
        steps_.begin();
    }

    const Steps steps_;
    Mutex mutex_;
    bool cancelled_ HOTMIC_GUARDED_BY(mutex_) = false;
    std::optional<Error> failure_ HOTMIC_GUARDED_BY(mutex_);
    std::vector<std::jthread> threads_;
};

}  // namespace

int serve(const ConfigFlags& flags, const ProviderRegistry& providers) {
    const auto began = Clock::now();
    block_signals();
    // Else twice the memory of what is held for clients would stay in the heap.
    system::give_back_large_blocks(mebibytes(1));
    const auto loaded = load_config(flags, false);
    if (!loaded) return report(loaded.error());
    auto keys = server::Keys::load(loaded->config.server);
    if (!keys) return report(keys.error());
    auto sockets = passed_sockets();
    if (!sockets) return report(sockets.error());
    const auto vad_path = find_vad_model(loaded->config.server.vad_model, loaded->config.models_dir);
    auto vad_model = load_vad_model(vad_path);
    if (!vad_model) return report(vad_model.error());
    if (*vad_model)
        spdlog::info("voice detector: {}", vad_path.string());
    else
        spdlog::warn("{}; {}", kNoVadModel, kGetVadModel);
    if (auto safe = check_sandbox(loaded->config); !safe) return report(safe.error());
    raise_file_limit(loaded->config.server.max_connections);
    auto spool = open_spool(loaded->config.server);
    if (!spool) return report(spool.error());
    auto transcription_jobs = open_jobs(loaded->config);
    if (!transcription_jobs) return report(transcription_jobs.error());

    MemoryBroker memory(loaded->config.parallel_loads);
    Journal journal;
    JobBook jobs;
    const auto examiner =
        std::make_shared<worker::Examiner>(worker::Examiner::Options{.confinement = confinement_of(loaded->config)});
    const auto engines = worker::examined_by(examiner, providers);
    const auto downloads = std::make_shared<store::Downloads>();
    const auto decoders = std::make_shared<worker::Decoders>(decoder_options(loaded->config));
    const Shared shared{memory, journal, jobs, *examiner, downloads, decoders};
    server::ModelCatalog catalog(jobs);
    ServerPlanner live(flags, *loaded, catalog, engines, shared);

    std::jthread teller;
    std::optional<server::Fallbacks> fallbacks;
    std::string url;
    Opening opening(
        {.choose = [&] { return live.fill_catalog(); },
         .announce = [&] { say("listening on " + url); },
         .begin =
             [&] {
                 for (const auto& entry : catalog.entries()) {
                     const auto plan = entry->model->plan();
                     say(std::format("model {}: {} ({})", entry->name, describe_model(plan.spec), plan.reason));
                 }
                 teller = std::jthread([&](const std::stop_token& stop) {
                     narrate(journal,
                             {.began = began,
                              .unnamed = loaded->config.models.size() == 1 ? loaded->model : "",
                              .more = [&](const Transition& step) { elaborate(step, catalog); }},
                             stop);
                 });
                 fallbacks.emplace(catalog, journal);
                 for (const auto& entry : catalog.entries()) {
                     if (!entry->on_demand) entry->model->start();
                 }
             }});
    server::Server server({.config = loaded->config,
                           .keys = *std::move(keys),
                           .vad_model = *std::move(vad_model),
                           .spool = *std::move(spool),
                           .downloads = downloads,
                           .sockets = *std::move(sockets),
                           .service_manager = service_manager(),
                           .decoder = decoders,
                           .decoder_gauges = [decoders] { return gauges_of(*decoders); },
                           .jobs = *std::move(transcription_jobs),
                           .on_listening =
                               [&](const std::string& address) {
                                   url = address;
                                   opening.start();
                               },
                           .on_ending =
                               [&] {
                                   opening.cancel();
                                   examiner->stop();
                               }},
                          catalog, journal, jobs, live, engines);
    const auto code = server.run();
    const auto failure = opening.join();
    fallbacks.reset();
    teller = {};  // tells the last steps, then ends
    if (failure) return report(*failure);
    if (!code) return report(code.error());
    say(std::format("{:9.3f} s  stopped", to_s(Clock::now() - began)));
    return *code;
}

}  // namespace hotmic::cli
