#include "server/server.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <format>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "hotmic/error.hpp"
#include "hotmic/journal.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/served_model.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"
#include "server/catalog.hpp"
#include "server/context.hpp"
#include "server/http/limits.hpp"
#include "server/http/listener.hpp"
#include "server/http/message.hpp"
#include "server/http/router.hpp"
#include "server/http/stream.hpp"
#include "server/http/tls.hpp"
#include "server/job_run.hpp"
#include "server/keys.hpp"
#include "server/lifecycle_traces.hpp"
#include "server/origin.hpp"
#include "server/planner.hpp"
#include "server/ports.hpp"
#include "server/process_end.hpp"
#include "server/responses.hpp"
#include "server/wyoming.hpp"
#include "system/start_thread.hpp"

namespace hotmic::server {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kDecodeQueue = 256;
constexpr std::size_t kPlanQueue = 64;
constexpr std::size_t kFilingQueue = 256;
constexpr int kHearers = 2;
constexpr std::size_t kHearQueue = 1024;
constexpr milliseconds kSweep{100};
/// Between the last answer and closing the sockets: time for it to leave them.
constexpr milliseconds kFlush{100};
/// What comes then is no answer, but a session.
constexpr int kUpgraded = 101;
/// So long before it expires a certificate is worth a warning.
constexpr std::chrono::days kCertificateSoon{14};
/// What is not over so long after the end of the shutdown's time is ended with the process.
constexpr milliseconds kLastResort{500};

std::vector<std::string_view> all_error_names() {
    std::vector<std::string_view> names;
    for (const auto& row : error_table()) names.push_back(row.name);
    return names;
}

http::Limits limits_of(const config::Server& server) {
    return {.max_connections = server.max_connections,
            .max_connections_per_client = server.max_connections_per_client,
            .header_timeout = server.header_timeout,
            .body_timeout = server.body_timeout,
            .idle_timeout = server.idle_timeout};
}

}  // namespace

struct Server::Impl {
    Impl(Options opts, ModelCatalog& models, const Journal& record, JobBook& book, Planner& plans,
         const ProviderRegistry& engines)
        : options(std::move(opts)),
          catalog(models),
          metrics(all_error_names(), HOTMIC_VERSION),
          traces({.endpoint = options.config.traces.endpoint,
                  .sample_ratio = options.config.traces.sample_ratio,
                  .version = HOTMIC_VERSION}),
          clients(options.config.server.max_requests_per_client, options.config.server.max_streams_per_client),
          decoders(options.config.server.decode_threads, kDecodeQueue),
          live(options.config.server.max_streams),
          pulls(options.config, book, *options.downloads),
          budget(options.config.server.max_buffered_bytes),
          door(limits_of(options.config.server)),
          context{options.config,
                  catalog,
                  book,
                  plans,
                  record,
                  engines,
                  metrics,
                  traces,
                  decoders,
                  in_flight,
                  clients,
                  *options.keys,
                  live,
                  options.vad_model,
                  sockets,
                  budget,
                  door,
                  hearing,
                  planning,
                  options.spool,
                  pulls,
                  *options.downloads,
                  *options.decoder,
                  options.decoder_gauges,
                  options.jobs.get(),
                  filing},
          service{.limits = limits_of(options.config.server), .budget = budget, .door = door},
          admin_service{.limits = limits_of(options.config.server), .budget = budget, .door = door},
          loops(options.config.server.io_threads),
          jobs(std::move(options.jobs)) {}

    void configure() {
        configure(service, options.config.server.admin_listen.empty());
        add_openai_routes(service.router, context);
        add_job_routes(service.router, context);
        add_suggestion_routes(service.router, context);
        add_realtime_routes(service.router, context);
        add_echopanel_routes(service.router, context);
        add_oip_routes(service.router, context);
        configure(admin_service, true);
    }

    /// What every port has.
    void configure(http::Service& to, bool with_admin) {
        to.hooks = {
            .failure =
                [this](const Error& error, const http::Request* request) {
                    metrics.error(to_string(error.code));
                    return respond_error(error, request,
                                         error.code == ErrorCode::server_busy ? std::optional(1) : std::nullopt);
                },
            .admit = [this](const RequestPtr& request,
                            const http::Router::Match& match) { return admit(*request, match); },
            .complete = [this](const http::Request& request, Response& response) { complete(request, response); }};
        add_probes_routes(to.router, context);
        add_health_routes(to.router, context);
        add_metrics_routes(to.router, context);
        if (!with_admin) return;
        add_pull_routes(to.router, context);  // before the admin's, whose names may hold slashes
        add_admin_routes(to.router, context);
    }

    /// Errors: config_invalid.
    Result<void> take_certificate() {
        const auto& server = options.config.server;
        if (server.tls_certificate.empty()) return {};
        auto loaded = http::Tls::load({server.tls_certificate, server.tls_key, server.tls_client_ca});
        if (!loaded) return std::unexpected(std::move(loaded).error());
        tls = *std::move(loaded);
        service.tls = tls;
        tell_certificate();
        return {};
    }

    void tell_certificate() {
        const auto left = std::chrono::floor<std::chrono::days>(tls->expires() - http::Tls::Clock::now());
        metrics.certificate(static_cast<double>(http::Tls::Clock::to_time_t(tls->expires())));
        if (left < kCertificateSoon)
            spdlog::warn("the certificate expires in {} days: {}", left.count(),
                         options.config.server.tls_certificate.string());
        else
            spdlog::info("tls certificate={:?} expires_in_days={}", options.config.server.tls_certificate.string(),
                         left.count());
    }

    void reload_certificate() {
        if (!tls) return;
        if (auto fresh = tls->reload(); !fresh) {
            metrics.error(to_string(fresh.error().code));
            return spdlog::error("the certificate stays as it was code={} message={:?}", to_string(fresh.error().code),
                                 fresh.error().describe());
        }
        tell_certificate();
    }

    /// Errors: config_invalid; then those that were known stay.
    Result<void> reload_keys() {
        auto read = options.keys->reload();
        if (read) return read;
        metrics.error(to_string(read.error().code));
        spdlog::error("the keys stay as they were code={} message={:?}", to_string(read.error().code),
                      read.error().describe());
        return read;
    }

    /// A proxy on this machine that adds no header cannot be told from a program here, unless it keeps the name that
    /// somebody elsewhere asked for. Told once: the next such request says nothing new.
    void warn_of_proxy(const http::Request& request) {
        if (options.keys->has(Scope::admin) || !request.from_this_machine || is_forwarded(request)) return;
        if (is_own_host(request.host, {}) && !is_address_elsewhere(request.host)) return;
        if (told_of_proxy.exchange(true)) return;
        spdlog::warn(
            "a request from this machine is for {:?}: if a proxy here passes on what others send, and adds no "
            "X-Forwarded-For, then all of them may administer; set server.admin_key",
            request.host);
    }

    /// Who asks how we are would fill a collector with it.
    void trace(http::Request& request, const http::Router::Match& match) const {
        if (!traces.on() || match.route == nullptr || match.route->is_probe) return;
        request.span = traces.of_request(request.method_name + " " + match.route->pattern,
                                         request.header("traceparent"), request.header("tracestate"), request.began);
        request.span.set("http.request.method", std::string_view(request.method_name));
        request.span.set("http.route", std::string_view(match.route->pattern));
        request.span.set("url.path", std::string_view(request.path));
        request.span.set("client.address", std::string_view(request.peer));
        request.span.set("hotmic.request.id", std::string_view(request.id));
    }

    std::optional<Response> admit(http::Request& request, const http::Router::Match& match) {
        const auto& server = options.config.server;
        request.id = make_request_id(request.header("x-request-id"));
        trace(request, match);
        warn_of_proxy(request);
        if (!server.hosts.empty() && !is_own_host(request.host, server.hosts) &&
            (match.route == nullptr || !match.route->is_probe)) {
            return service.hooks.failure(
                {ErrorCode::host_not_allowed, std::format("requests for \"{}\" are not answered", request.host),
                 "name it in server.hosts"},
                &request);
        }
        // A browser lets any page open a WebSocket to anywhere; only we can tell.
        if (match.route != nullptr && match.route->open && is_from_another_origin(request, server.cors_origins)) {
            return service.hooks.failure(
                {ErrorCode::origin_not_allowed,
                 std::format("pages of \"{}\" may not open this socket", request.header("origin")),
                 "name the origin in server.cors_origins"},
                &request);
        }
        return std::nullopt;
    }

    void complete(const http::Request& request, Response& response) {
        const auto& origins = options.config.server.cors_origins;
        if (!request.id.empty()) response.headers.set("x-request-id", request.id);
        options.keys->tell_limits(request, response);
        allow_origin(request, origins, response);
        if (request.method == Method::options) answer_preflight(request, origins, response);
        const Seconds took = http::Clock::now() - request.began;
        metrics.request(request.route, response.status, took, reference_to(request.span));
        if (!request.caller.empty()) metrics.request_of_key(request.caller, response.status);
        request.span.set("http.response.status_code", static_cast<std::int64_t>(response.status));
        if (!response.stream && response.status != kUpgraded) request.span.end();
        spdlog::debug("answered request={} caller={} method={} path={:?} status={} ms={:.1f}", request.id,
                      request.caller.empty() ? "-" : request.caller, request.method_name, request.path, response.status,
                      to_ms(took));
    }

    /// Binds, then serves until the supervisor ends it.
    Result<void> serve() {
        if (auto secure = take_certificate(); !secure) return secure;
        auto opened = open_ports(loops, options.config.server, options.sockets);
        if (!opened) return std::unexpected(std::move(opened).error());
        ports = *std::move(opened);
        const auto sweeper = loops.main().every(kSweep, [this] {
            in_flight.sweep();
            context.note_ready();
        });
        for (auto& port : ports.http) {
            http::serve(port, service);
            if (&port != &ports.http.front())
                spdlog::info("also listens on {}", http::authority_of(port.address(), port.number()));
        }
        if (auto& port = ports.admin) {
            http::serve(*port, admin_service);
            spdlog::info("admin listens on {}", options.config.server.admin_listen);
        }
        for (auto& port : ports.wyoming) {
            http::serve_streams(port, service, wyoming(context));
            spdlog::info("wyoming listens on {}", http::authority_of(port.address(), port.number()));
        }
        loops.main().post([this] {
            if (options.on_listening) options.on_listening((tls ? "https://" : "http://") + ports.authority);
        });
        if (traces.on()) lifecycle_traces.emplace(traces, context.journal);
        if (options.service_manager.tell) {
            reporter.emplace(options.service_manager, catalog, context.journal, loops);
            reporter->start();
        }
        if (jobs) jobs->start(run_job_with(context));
        std::jthread supervisor([this] { supervise(); });
        loops.run();
        return {};
    }

    /// Runs beside the loops; ends them.
    void supervise() {
        {
            Executor reloads(1, 2);  // apart: reading may take a while, and a signal to end must not wait for it
            int signal = 0;
            while (signal == 0) {
                signal = await_signal(milliseconds(1000));
                if (signal != SIGHUP) continue;
                (void)reloads.submit([this] { reload(); });  // refused: the one that waits reads what is there by then
                signal = 0;
            }
            const auto& server = options.config.server;
            spdlog::info("shutting down signal={} drain_delay_ms={}", signal, server.drain_delay.count());
            ends_by = deadline_in(server.shutdown_timeout + server.drain_delay);
            end_by(ends_by + kLastResort);
            if (reporter) reporter->stopping(server.shutdown_timeout + server.drain_delay + kLastResort);
            if (options.on_ending) options.on_ending();
            pulls.stop();
            if (jobs) jobs->stop();
            context.not_ready = true;
        }
        std::this_thread::sleep_for(options.config.server.drain_delay);
        context.refusing = true;
        sockets.shut_down();
        exit_code = drain(ends_by) ? 0 : 1;
        in_flight.stop_all();  // media that is still being decoded
        loops.main().after(kFlush, [this] { loops.stop(); });
    }

    void reload() {
        if (reporter) reporter->reloading();
        reload_certificate();
        const auto keys = reload_keys();
        const auto begun = context.planner.reload();
        if (begun) {
            spdlog::info("configuration read again jobs={}", begun->size());
        } else {
            spdlog::error("configuration not taken over code={} message={:?}", to_string(begun.error().code),
                          begun.error().describe());
        }
        if (!reporter) return;
        if (!begun)
            reporter->reloaded("the configuration was not taken over: " + begun.error().describe());
        else
            reporter->reloaded(keys ? "" : "the keys were not taken over: " + keys.error().describe());
    }

    /// Unloads every model; false when that takes longer than there is time.
    [[nodiscard]] bool drain(Deadline deadline) const {
        std::atomic<bool> good = true;
        std::vector<std::jthread> unloads;
        for (const auto& entry : catalog.entries()) {
            const auto unload = [entry, &good, deadline] {
                // Cancelling and terminating need a little of the time that is left.
                const auto left =
                    std::chrono::duration_cast<milliseconds>(deadline - Clock::now()) - milliseconds(1000);
                const auto report = entry->model->shutdown(deadline, std::max(left, milliseconds(0)));
                if (report) return;
                spdlog::error("unload failed model={} code={} message={:?}", entry->name,
                              to_string(report.error().code), report.error().message);
                good = false;
            };
            auto thread = system::start_thread(unload);
            if (thread)
                unloads.push_back(*std::move(thread));
            else
                unload();
        }
        unloads.clear();
        return good;
    }

    Options options;
    ModelCatalog& catalog;
    telemetry::Metrics metrics;
    tracing::Traces traces;
    InFlight in_flight;
    Clients clients;
    Executor decoders;
    LiveHub live;
    Pulls pulls;
    SocketSessions sockets;
    http::Budget budget;
    http::Door door;
    Context context;
    http::Service service;
    http::Service admin_service;  ///< of `admin_listen`
    std::shared_ptr<http::Tls> tls{};
    Deadline ends_by{};  // of the shutdown; the supervisor's
    std::atomic<int> exit_code{0};
    std::atomic<bool> told_of_proxy{false};
    http::Loops loops;  // after what connections use, and so gone before it
    Ports ports;
    // Last, so that they have ended before what they use.
    std::shared_ptr<jobs::Jobs> jobs;
    Executor filing{1, kFilingQueue};
    Executor hearing{kHearers, kHearQueue};
    Executor planning{1, kPlanQueue};
    std::optional<ServiceReporter> reporter;
    std::optional<LifecycleTraces> lifecycle_traces;
};

Server::Server(Options options, ModelCatalog& catalog, const Journal& journal, JobBook& jobs, Planner& planner,
               const ProviderRegistry& providers) {
    const auto signals = signals_taken();
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    impl_ = std::make_unique<Impl>(std::move(options), catalog, journal, jobs, planner, providers);
}

Server::~Server() = default;

Result<int> Server::run() {
    impl_->configure();
    if (auto served = impl_->serve(); !served) return std::unexpected(std::move(served).error());
    return impl_->exit_code.load();
}

}  // namespace hotmic::server
