#include "server/server.hpp"

#include <drogon/HttpAppFramework.h>
#include <netdb.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <format>
#include <limits>
#include <thread>

#include "lifecycle/start_thread.hpp"
#include "server/context.hpp"
#include "server/event_stream.hpp"
#include "server/responses.hpp"
#include "server/wyoming.hpp"

namespace hotmic::server {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kDecodeQueue = 256;
constexpr double kSweepSeconds = 0.1;
/// Between the last answer and closing the sockets: time for it to leave them.
constexpr double kFlushSeconds = 0.1;

sigset_t signals_taken() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    return signals;
}

/// Waits up to `patience` for a signal; 0 when none came.
int await_signal(milliseconds patience) {
    const auto signals = signals_taken();
    const timespec wait{patience.count() / 1000, patience.count() % 1000 * 1'000'000};
    const int signal = sigtimedwait(&signals, nullptr, &wait);
    return signal > 0 ? signal : 0;
}

struct AddrInfoDeleter {
    void operator()(addrinfo* info) const { freeaddrinfo(info); }
};

/// The HTTP library ends the process when it cannot bind, so that is tried here first. `key`: of the port. Returns the
/// numeric address.
Result<std::string> check_address(const std::string& host, std::uint16_t port, const std::string& key) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    addrinfo* found = nullptr;
    if (const int code = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); code != 0) {
        return fail(ErrorCode::config_invalid,
                    std::format("server.host \"{}\" is no address: {}", host, gai_strerror(code)),
                    "use 127.0.0.1 for this machine only, 0.0.0.0 for everybody", "server.host");
    }
    const std::unique_ptr<addrinfo, AddrInfoDeleter> info(found);
    std::array<char, NI_MAXHOST> numeric{};
    getnameinfo(info->ai_addr, info->ai_addrlen, numeric.data(), numeric.size(), nullptr, 0, NI_NUMERICHOST);
    const int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    // Listening too: another server on the port is then seen even where address reuse would let us bind.
    const bool free = bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, 1) == 0;
    const int why = errno;
    close(fd);
    if (free) return numeric.data();
    if (why == EADDRINUSE) {
        return fail(ErrorCode::address_in_use, std::format("{}:{} is in use by another process", host, port),
                    key == "server.port" ? "stop it, or choose another port with --port (0 takes any free one)"
                                         : "stop it, or choose another " + key,
                    key);
    }
    return fail(ErrorCode::io_error, std::format("{}:{} cannot be listened on: {}", host, port, std::strerror(why)),
                "choose another server.host or " + key, key);
}

std::vector<std::string_view> all_error_names() {
    std::vector<std::string_view> names;
    for (const auto& row : error_table()) names.push_back(row.name);
    return names;
}

ErrorCode code_of_status(drogon::HttpStatusCode status) {
    switch (static_cast<int>(status)) {
        case 404:
            return ErrorCode::not_found;
        case 405:
            return ErrorCode::method_not_allowed;
        case 413:
            return ErrorCode::body_too_large;
        default:
            return static_cast<int>(status) < 500 ? ErrorCode::invalid_request : ErrorCode::internal;
    }
}

}  // namespace

struct Server::Impl {
    Impl(Options opts, ModelCatalog& models, const Journal& record, JobBook& book, Planner& plans,
         const ProviderRegistry& engines)
        : options(std::move(opts)),
          catalog(models),
          metrics(all_error_names(), HOTMIC_VERSION),
          clients(options.config.server.max_requests_per_client, options.config.server.max_streams_per_client),
          decoders(options.config.server.decode_threads, kDecodeQueue),
          live(options.config.server.max_streams),
          context{options.config,    catalog, book, plans, record, engines, metrics, decoders, in_flight, clients, live,
                  options.vad_model, sockets},
          wyoming(context),
          uploads(std::filesystem::temp_directory_path() / std::format("hotmic-{}", getpid())) {}

    void configure() {
        const auto& server = options.config.server;
        auto& app = drogon::app();
        app.disableSigtermHandling()
            .setLogLevel(trantor::Logger::kError)
            .setThreadNum(static_cast<std::size_t>(server.io_threads))
            // Bodies are streamed and measured by their handlers; this library would answer with a bare status line.
            .setClientMaxBodySize(std::numeric_limits<std::size_t>::max())
            .setClientMaxWebSocketMessageSize(kMaxMessageBytes)
            .setMaxConnectionNum(server.max_connections)
            .setIdleConnectionTimeout(
                static_cast<std::size_t>(std::max<std::int64_t>(1, server.idle_timeout.count() / 1000)))
            .setUploadPath(uploads.string())
            .enableServerHeader(false)
            .enableGzip(false)
            .enableRequestStream(true)
            .addListener(address, server.port);
        app.setCustomErrorHandler([this](drogon::HttpStatusCode status, const drogon::HttpRequestPtr& request) {
            return framework_error(status, request);
        });
        app.registerPreRoutingAdvice([](const drogon::HttpRequestPtr& request) { (void)request_id(request); });
        app.registerPreSendingAdvice(
            [this](const drogon::HttpRequestPtr& request, const drogon::HttpResponsePtr& response) {
                response->addHeader("x-request-id", request_id(request));
                // The library would close a stream with its first bytes where a client wants no further request.
                if (response->contentTypeString() == kEventStreamType) response->setCloseConnection(false);
                const double seconds = static_cast<double>(trantor::Date::now().microSecondsSinceEpoch() -
                                                           request->creationDate().microSecondsSinceEpoch()) /
                                       1e6;
                const std::string_view matched = request->matchedPathPattern();
                const std::string_view route = matched.empty() ? "unmatched" : matched;
                metrics.request(route, response->statusCode(), seconds);
                spdlog::debug("answered request={} method={} path={:?} status={} ms={:.1f}", request_id(request),
                              request->methodString(), request->path(), static_cast<int>(response->statusCode()),
                              seconds * 1000);
            });
        register_openai(context);
        register_probes(context);
        register_health(context);
        register_admin(context);
        register_realtime(context);
        register_echopanel(context);
        register_oip(context);
        app.getLoop()->runEvery(kSweepSeconds, [this] {
            in_flight.sweep();
            context.note_ready();
        });
        // The advice comes just before the I/O loops are told to listen, what it queues just after.
        app.registerBeginningAdvice([this] { drogon::app().getLoop()->queueInLoop([this] { announce(); }); });
    }

    /// Tells that requests are answered, once they are: each I/O loop has been told to listen before this queues behind
    /// that.
    void announce() {
        auto& app = drogon::app();
        const auto waiting_for = std::make_shared<std::atomic<std::size_t>>(app.getThreadNum());
        for (std::size_t i = 0; i < app.getThreadNum(); ++i) {
            app.getIOLoop(i)->queueInLoop([this, waiting_for] {
                if (waiting_for->fetch_sub(1) == 1) drogon::app().getLoop()->queueInLoop([this] { tell_address(); });
            });
        }
    }

    void tell_address() {
        if (const auto port = options.config.server.wyoming_port; port != 0) wyoming.start(address, port);
        const auto listeners = drogon::app().getListeners();
        if (options.on_listening && !listeners.empty()) {
            options.on_listening(std::format("http://{}:{}", options.config.server.host, listeners.front().toPort()));
        }
    }

    /// Errors of the HTTP library itself (no such path, wrong method, body too large …) in our shape.
    drogon::HttpResponsePtr framework_error(drogon::HttpStatusCode status, const drogon::HttpRequestPtr& request) {
        const auto code = code_of_status(status);
        Error error{code, std::string(spec_of(code).meaning)};
        if (request) error.message += std::format(": {} {}", request->methodString(), request->path());
        if (code == ErrorCode::body_too_large) {
            error = {code, std::format("the body is over {} bytes", options.config.server.max_body_bytes),
                     "send a compressed format or parts, or raise server.max_body_bytes"};
        }
        if (code == ErrorCode::not_found) error.remedy = "GET / lists what there is";
        metrics.error(to_string(code));
        return respond_error(error, request);
    }

    /// Runs beside the HTTP library; ends it.
    void supervise() {
        int signal = 0;
        while (signal == 0) {
            signal = await_signal(milliseconds(1000));
            if (signal == SIGHUP) reload();
            if (signal == SIGHUP) signal = 0;
        }
        spdlog::info("shutting down signal={} drain_delay_ms={}", signal, options.config.server.drain_delay.count());
        const auto deadline = in(options.config.server.shutdown_timeout + options.config.server.drain_delay);
        context.not_ready = true;
        end_at_once_if(await_signal(options.config.server.drain_delay));
        context.refusing = true;
        sockets.shut_down();

        std::atomic<bool> done = false;
        std::jthread draining([&] {
            exit_code = drain(deadline) ? 0 : 1;
            done = true;
        });
        while (!done) end_at_once_if(await_signal(milliseconds(20)));
        draining.join();
        drogon::app().getLoop()->runAfter(kFlushSeconds, [this] {
            wyoming.stop();
            drogon::app().quit();
        });
    }

    void reload() const {
        const auto begun = context.planner.reload();
        if (begun) return spdlog::info("configuration read again jobs={}", begun->size());
        spdlog::error("configuration not taken over code={} message={:?}", to_string(begun.error().code),
                      begun.error().describe());
    }

    static void end_at_once_if(int signal) {
        if (signal == 0 || signal == SIGHUP) return;
        spdlog::warn("a second signal: ending at once signal={}", signal);
        std::_Exit(128 + signal);  // workers end by themselves when their channel closes
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
            auto thread = start_thread(unload);
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
    InFlight in_flight;
    Clients clients;
    Executor decoders;
    LiveHub live;
    SocketSessions sockets;
    Context context;
    Wyoming wyoming;
    const std::filesystem::path uploads;
    std::string address;
    std::atomic<int> exit_code{0};
};

Server::Server(Options options, ModelCatalog& catalog, const Journal& journal, JobBook& jobs, Planner& planner,
               const ProviderRegistry& providers) {
    const auto signals = signals_taken();
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    impl_ = std::make_unique<Impl>(std::move(options), catalog, journal, jobs, planner, providers);
}

Server::~Server() {
    std::error_code ignored;
    std::filesystem::remove_all(impl_->uploads, ignored);
}

Result<int> Server::run() {
    const auto address =
        check_address(impl_->options.config.server.host, impl_->options.config.server.port, "server.port");
    if (!address) return std::unexpected(address.error());
    impl_->address = *address;
    if (const auto port = impl_->options.config.server.wyoming_port; port != 0) {
        if (const auto free = check_address(impl_->options.config.server.host, port, "server.wyoming_port"); !free)
            return std::unexpected(free.error());
    }
    impl_->configure();
    std::jthread supervisor([this] { impl_->supervise(); });
    drogon::app().run();
    return impl_->exit_code.load();
}

}  // namespace hotmic::server
