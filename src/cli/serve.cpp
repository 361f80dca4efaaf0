#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <format>
#include <thread>

#include "cli/commands.hpp"
#include "cli/engine.hpp"
#include "cli/terminal.hpp"
#include "server/server.hpp"

namespace hotmic::cli {
namespace {

/// SIGTERM and SIGINT are the server's to take. Blocked here, before any thread exists, all threads inherit that.
void block_stop_signals() {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigaddset(&signals, SIGINT);
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
void elaborate(const Transition& step, const ModelManager& manager) {
    if (step.to == ModelState::ready) {
        const auto report = manager.warmup_report();
        if (!report || report->steady_ms <= 0) return say("             ready, without a warmup");
        std::string text =
            std::format("             steady latency {} on the built-in clip", human_time(report->steady_ms));
        if (report->cold_penalty > 0)
            text += std::format("; the first inference took {:.2f} × that", report->cold_penalty);
        if (report->resident_after_bytes > 0)
            text += std::format("; {} resident", config::human_bytes(report->resident_after_bytes));
        say(text);
    } else if (step.to == ModelState::error) {
        const auto health = manager.health();
        if (!health.last_error) return;
        say("             " + paint(stdout, Colour::red, health.last_error->message));
        if (!health.last_error->remedy.empty()) say("             → " + health.last_error->remedy);
        if (health.retry_in_seconds)
            say(std::format("             trying again in {:.1f} s", *health.retry_in_seconds));
    }
}

}  // namespace

int serve(const ConfigFlags& flags, const ProviderRegistry& providers) {
    const auto began = Clock::now();
    block_stop_signals();
    const auto loaded = load_config(flags, false);
    if (!loaded) return report(loaded.error());
    raise_file_limit(loaded->config.server.max_connections);

    auto engine = make_engine(*loaded, providers);
    if (!engine) return report(engine.error());
    // The journal and the memory broker are the engine's and outlive the catalog, which owns the manager from here on.
    auto& manager = *(*engine)->manager;
    const auto& choice = (*engine)->choice;
    std::vector<server::CatalogEntry> entries;
    entries.push_back({.name = loaded->model,
                       .aliases = loaded->config.models.at(loaded->model).aliases,
                       .required = true,
                       .manager = std::move((*engine)->manager)});
    const server::ModelCatalog catalog(std::move(entries));

    std::jthread teller;
    const auto chosen_model = choice.spec.path.empty() ? choice.spec.provider + "'s own" : choice.spec.path.string();
    server::Server server({.config = loaded->config,
                           .chosen_because = choice.reason,
                           .chosen_model = chosen_model,
                           .on_listening =
                               [&](const std::string& url) {
                                   say("listening on " + url);
                                   say(std::format("model {}: {} ({})", loaded->model, chosen_model, choice.reason));
                                   teller = std::jthread([&](const std::stop_token& stop) {
                                       narrate((*engine)->journal, began, stop,
                                               [&](const Transition& step) { elaborate(step, manager); });
                                   });
                                   manager.start();
                               }},
                          catalog, (*engine)->journal, providers);
    const auto code = server.run();
    teller = {};  // tells the last steps, then ends
    if (!code) return report(code.error());
    say(std::format("{:9.3f} s  stopped", std::chrono::duration<double>(Clock::now() - began).count()));
    return *code;
}

}  // namespace hotmic::cli
