#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <format>
#include <thread>

#include "cli/commands.hpp"
#include "cli/engine.hpp"
#include "cli/live_config.hpp"
#include "cli/terminal.hpp"
#include "cli/vad_model.hpp"
#include "config/auto.hpp"
#include "server/fallback.hpp"
#include "server/server.hpp"

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

/// Every connection is an open file; the usual soft limit of 1024 is below the usual number of connections allowed.
void raise_file_limit(std::uint32_t max_connections) {
    constexpr rlim_t own = 128;
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    const auto needed = rlim_t{max_connections} + own;
    if (limit.rlim_cur >= needed) return;
    limit.rlim_cur = std::min(needed, limit.rlim_max);
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < needed) {
        spdlog::warn("too few open files are allowed for max_connections allowed={} needed={}", limit.rlim_cur, needed);
    }
}

/// What READY and ERROR have to say beyond the transition itself.
void elaborate(const Transition& step, const server::ModelCatalog& catalog) {
    const auto entry = catalog.find(step.model);
    if (!entry) return;
    const auto& model = *(*entry)->model;
    if (step.to == ModelState::ready) {
        const auto report = model.warmup_report();
        if (!report || report->steady_ms <= 0) return say("             ready, without a warmup");
        std::string text =
            std::format("             steady latency {} on the warmup clip", human_time(report->steady_ms));
        if (report->cold_penalty > 0)
            text += std::format("; the first inference took {:.2f} × that", report->cold_penalty);
        if (report->resident_after_bytes > 0)
            text += std::format("; {} resident", config::human_bytes(report->resident_after_bytes));
        say(text);
    } else if (step.to == ModelState::error) {
        const auto health = model.health();
        if (!health.last_error) return;
        say("             " + paint(stdout, Colour::red, health.last_error->message));
        if (!health.last_error->remedy.empty()) say("             → " + health.last_error->remedy);
        if (health.retry_in_seconds)
            say(std::format("             trying again in {:.1f} s", *health.retry_in_seconds));
    }
}

/// The default model first: it serves requests that name none.
std::vector<server::CatalogEntry> make_entries(const config::Loaded& loaded,
                                               const std::map<std::string, ModelPlan>& plans, const Shared& shared) {
    std::vector<server::CatalogEntry> entries;
    entries.reserve(plans.size());
    for (const auto& [name, plan] : plans) {
        entries.push_back(make_entry(name, loaded.config.models.at(name), plan, shared));
    }
    std::ranges::stable_partition(entries, [&](const auto& entry) { return entry.name == loaded.model; });
    return entries;
}

}  // namespace

int serve(const ConfigFlags& flags, const ProviderRegistry& providers) {
    const auto began = Clock::now();
    block_signals();
    const auto loaded = load_config(flags, false);
    if (!loaded) return report(loaded.error());
    auto vad_model = load_vad_model(loaded->config.server.vad_model);
    if (!vad_model) return report(vad_model.error());
    raise_file_limit(loaded->config.server.max_connections);

    MemoryBroker memory(loaded->config.parallel_loads);
    Journal journal;
    JobBook jobs;
    const Shared shared{memory, journal, jobs};
    auto plans = make_plans(*loaded, providers, memory.available());
    if (!plans) return report(plans.error());
    server::ModelCatalog catalog(make_entries(*loaded, *plans, shared), jobs);
    LiveConfig live(flags, *loaded, catalog, providers, shared);

    std::jthread teller;
    std::optional<server::Fallbacks> fallbacks;
    server::Server server(
        {.config = loaded->config,
         .vad_model = *std::move(vad_model),
         .on_listening =
             [&](const std::string& url) {
                 say("listening on " + url);
                 for (const auto& entry : catalog.entries()) {
                     const auto plan = entry->model->plan();
                     say(std::format("model {}: {} ({})", entry->name, describe_model(plan.spec), plan.reason));
                 }
                 teller = std::jthread([&](const std::stop_token& stop) {
                     narrate(journal,
                             {.began = began,
                              .unnamed = plans->size() == 1 ? loaded->model : "",
                              .more = [&](const Transition& step) { elaborate(step, catalog); }},
                             stop);
                 });
                 fallbacks.emplace(catalog, journal);
                 for (const auto& entry : catalog.entries()) {
                     if (!entry->on_demand) entry->model->start();
                 }
             }},
        catalog, journal, jobs, live, providers);
    const auto code = server.run();
    fallbacks.reset();
    teller = {};  // tells the last steps, then ends
    if (!code) return report(code.error());
    say(std::format("{:9.3f} s  stopped", std::chrono::duration<double>(Clock::now() - began).count()));
    return *code;
}

}  // namespace hotmic::cli
