/// What people and desktop clients ask: /health, /model-status, /capabilities (EchoPanel's, and more), and at / the
/// live page or an index.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/live_stream.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"
#include "lifecycle/report_json.hpp"
#include "server/capabilities.hpp"
#include "server/catalog.hpp"
#include "server/context.hpp"
#include "server/http/message.hpp"
#include "server/http/router.hpp"
#include "server/page.hpp"
#include "server/responses.hpp"
#include "server/transition_json.hpp"
#include "system/memory.hpp"
#include "text/json.hpp"

namespace hotmic::server {
namespace wire {

/// What EchoPanel's clients read of an answer that is no 200.
struct HealthDetail {
    std::string status;
    std::string service = "hotmic";
    std::string provider;
    std::string model;
    std::string model_state;
    std::string reason;
};

struct HealthBody {
    std::string status;
    std::string service = "hotmic";
    std::string version = HOTMIC_VERSION;
    std::string provider;
    std::string model;
    bool model_ready = false;
    std::string model_state;
    bool warmup_complete = false;
    double load_time_ms = 0;
    double warmup_time_ms = 0;
    double process_rss_mb = 0;  // server and worker
    double server_rss_mb = 0;
    double model_rss_mb = 0;
    double uptime_s = 0;
    std::optional<std::string> reason;
    std::optional<std::string> error_code;
    std::optional<double> progress;
    std::optional<double> eta_seconds;
    std::optional<double> retry_in_seconds;
    std::optional<std::string> served_by;  // while that is not the model itself
    std::optional<std::string> warning;    // READY, but slower than it was asked or used to be
    LiveStatus live;                       // all live streams
    std::optional<HealthDetail> detail;    // while requests are not served
};

/// As EchoPanel's server tells it.
struct WrongKey {
    std::string detail = "Unauthorized";
};

struct ModelHealth {
    std::string state;
    bool ready = false;
    bool model_loaded = false;
    bool warmup_complete = false;
    double load_time_ms = 0;
    double warmup_time_ms = 0;
    std::optional<std::string> last_error;
    std::optional<std::string> last_error_code;
    double process_rss_mb = 0;
    bool download_in_progress = false;
    std::string instance;
    int attempt = 0;
    int warmup_level = 0;
    std::uint64_t bytes_read = 0;
    std::uint64_t bytes_total = 0;
    std::optional<double> eta_seconds;
    std::string backend;
    std::string sha256;
    int threads = 0;
};

struct Stats {
    std::string state;
    std::string provider;
    double load_time_ms = 0;
    double warmup_time_ms = 0;
    std::uint64_t inference_count = 0;
    double avg_inference_ms = 0;
    std::optional<double> first_request_ratio;
    int slots = 0;
    int busy = 0;
    std::size_t waiting = 0;
    std::size_t max_waiting = 0;
};

struct UnloadBody {
    double resident_before_mb = 0;
    double resident_after_mb = 0;
    bool process_gone = false;
    int cancelled_requests = 0;
    double duration_ms = 0;
};

struct ModelStatus {
    std::string status = "ok";
    std::string model;
    ModelHealth health;
    Stats stats;
    std::optional<hotmic::wire::WarmupReport> warmup;
    std::optional<UnloadBody> last_unload;
    std::vector<Event> events;
};

struct Index {
    std::string service = "hotmic";
    std::string version = HOTMIC_VERSION;
    std::vector<std::string> endpoints;
};

}  // namespace wire

namespace {

double mb(Bytes size) {
    return size / mebibytes(1);
}

/// The model that `?model=` names; without, the one that requests without a name get.
Result<EntryPtr> asked_for(const Context& context, const http::Request& request) {
    return context.catalog.find(request.parameter("model"));
}

bool serves(const wire::HealthBody& body) {
    return body.status == "ok" || body.status == "degraded" || body.status == "resting";
}

/// While it is not known yet which models there are.
wire::HealthBody body_before_models(const Context& context, const Error& why) {
    const auto server = mb(system::resident_memory());
    return {.status = context.not_ready ? "stopping" : "loading",
            .model_state = std::string(to_string(ModelState::uninitialized)),
            .process_rss_mb = server,
            .server_rss_mb = server,
            .uptime_s = to_s(Clock::now() - context.began),
            .reason = why.message};
}

wire::HealthBody health_body(const Context& context, const EntryPtr& entry) {
    const auto health = entry->model->health();
    const auto server = system::resident_memory();
    const auto stand_in = context.catalog.serving(entry);
    wire::HealthBody body{.provider = health.provider,
                          .model = health.info ? health.info->name : health.model,
                          .model_ready = health.ready && !context.not_ready,
                          .model_state = std::string(to_string(health.state)),
                          .warmup_complete = health.warmup_complete,
                          .load_time_ms = to_ms(health.load_time),
                          .warmup_time_ms = to_ms(health.warmup_time),
                          .process_rss_mb = mb(server + health.resident),
                          .server_rss_mb = mb(server),
                          .model_rss_mb = mb(health.resident),
                          .uptime_s = to_s(Clock::now() - context.began)};
    body.status = body.model_ready                    ? (health.shortfall.empty() ? "ok" : "degraded")
                  : context.not_ready                 ? "stopping"
                  : stand_in != entry                 ? "degraded"
                  : health.resting                    ? "resting"
                  : health.state == ModelState::error ? "error"
                                                      : "loading";
    const auto& worry = !health.shortfall.empty()     ? health.shortfall
                        : !health.passed_over.empty() ? health.passed_over
                                                      : health.slower;
    if (!worry.empty()) body.warning = worry;
    if (stand_in != entry) body.served_by = stand_in->name;
    body.live = context.live.status();
    if (!body.model_ready) {
        body.reason = context.not_ready ? "the server is shutting down" : health.reason;
        if (health.last_error) body.error_code = to_string(health.last_error->code);
        body.progress = health.progress.fraction();
        body.eta_seconds = health.eta.transform(to_s);
        body.retry_in_seconds = health.retry_in.transform(to_s);
    }
    if (!serves(body)) {
        body.detail = {.status = body.status,
                       .provider = body.provider,
                       .model = body.model,
                       .model_state = body.model_state,
                       .reason = body.reason.value_or("")};
    }
    return body;
}

wire::ModelStatus model_status(const Context& context, const EntryPtr& entry) {
    const auto& model = *entry->model;
    const auto health = model.health();
    wire::ModelStatus status;
    status.model = entry->name;
    status.health = {.state = std::string(to_string(health.state)),
                     .ready = health.ready,
                     .model_loaded = health.info.has_value(),
                     .warmup_complete = health.warmup_complete,
                     .load_time_ms = to_ms(health.load_time),
                     .warmup_time_ms = to_ms(health.warmup_time),
                     .process_rss_mb = mb(system::resident_memory() + health.resident),
                     .download_in_progress = health.state == ModelState::loading && health.progress.downloading,
                     .instance = health.instance,
                     .attempt = health.attempt,
                     .warmup_level = health.warmup_level,
                     .bytes_read = health.progress.done.count(),
                     .bytes_total = health.progress.total.count(),
                     .eta_seconds = health.eta.transform(to_s),
                     .backend = health.info ? health.info->backend : "",
                     .sha256 = health.info ? health.info->sha256 : "",
                     .threads = health.info ? health.info->threads : 0};
    if (health.last_error) {
        status.health.last_error = health.last_error->describe();
        status.health.last_error_code = to_string(health.last_error->code);
    }
    status.stats = {.state = status.health.state,
                    .provider = health.provider,
                    .load_time_ms = to_ms(health.load_time),
                    .warmup_time_ms = to_ms(health.warmup_time),
                    .inference_count = health.requests,
                    .avg_inference_ms = to_ms(health.mean_inference),
                    .first_request_ratio = health.first_request_ratio,
                    .slots = health.queue.slots,
                    .busy = health.queue.busy,
                    .waiting = health.queue.waiting,
                    .max_waiting = health.queue.max_waiting};
    if (const auto report = model.warmup_report()) status.warmup = hotmic::wire::described(*report);
    if (const auto unload = model.last_unload()) {
        status.last_unload = {.resident_before_mb = mb(unload->resident_before),
                              .resident_after_mb = mb(unload->resident_after),
                              .process_gone = unload->process_gone,
                              .cancelled_requests = unload->cancelled_requests,
                              .duration_ms = to_ms(unload->duration)};
    }
    constexpr std::uint64_t kLastEvents = 50;
    const auto last = context.journal.last_sequence();
    for (const auto& transition : context.journal.since(last - std::min(last, kLastEvents))) {
        status.events.push_back(wire::event_of(transition));
    }
    return status;
}

}  // namespace

void add_health_routes(http::Router& router, Context& context) {
    using Make = std::function<Result<Response>(const http::Request&)>;
    // Open to all, but whoever gives a key learns when it is wrong.
    const auto get = [&](const char* path, Make make) {
        const auto refuse = [&context](const Error& error, const http::Request& request) {
            context.metrics.error(to_string(error.code));
            return respond_error(error, &request);
        };
        router.add_check({.pattern = path,
                          .check = [refuse, &context](const RequestPtr& request) -> std::optional<Response> {
                              const auto known = context.keys.authorize_anybody(*request);
                              if (known) return std::nullopt;
                              auto response = refuse(known.error(), *request);
                              response.body = to_json(wire::WrongKey{});
                              return response;
                          },
                          .handle =
                              [make = std::move(make), refuse](const RequestPtr& request, const Respond& respond) {
                                  auto response = make(*request);
                                  respond(response ? *std::move(response) : refuse(response.error(), *request));
                              },
                          .is_probe = true});
    };
    const auto get_of_model = [&](const char* path, std::function<Response(const EntryPtr&)> make) {
        get(path, [make = std::move(make), &context](const http::Request& request) {
            return asked_for(context, request).transform(make);
        });
    };
    get("/health", [&context](const http::Request& request) -> Result<Response> {
        const auto asked = asked_for(context, request);
        if (!asked && asked.error().code == ErrorCode::model_not_loaded) {
            auto response = respond_json(to_json(body_before_models(context, asked.error())), 503);
            response.headers.set("Retry-After", "1");
            return response;
        }
        if (!asked) return std::unexpected(asked.error());
        const auto& entry = *asked;
        const auto body = health_body(context, entry);
        auto response = respond_json(to_json(body), serves(body) ? 200 : 503);
        if (!serves(body)) response.headers.set("Retry-After", std::to_string(retry_after(entry->model->health())));
        return response;
    });
    get_of_model("/model-status",
                 [&context](const EntryPtr& entry) { return respond_json(to_json(model_status(context, entry))); });
    get("/capabilities",
        [&context](const http::Request&) -> Result<Response> { return respond_json(capabilities_json(context)); });
    const auto index = [] {
        return respond_json(to_json(wire::Index{.endpoints = {"POST /v1/audio/transcriptions",
                                                              "POST /v1/audio/translations",
                                                              "POST /v1/jobs",
                                                              "GET /v1/jobs",
                                                              "GET /v1/jobs/{id}",
                                                              "GET /v1/jobs/{id}/result",
                                                              "DELETE /v1/jobs/{id}",
                                                              "POST /openai/deployments/{model}/audio/transcriptions",
                                                              "POST /openai/deployments/{model}/audio/translations",
                                                              "WS /v1/realtime",
                                                              "WS /ws/live-listener",
                                                              "GET /v2",
                                                              "GET /v2/health/live",
                                                              "GET /v2/health/ready",
                                                              "GET /v2/models/{name}",
                                                              "GET /v2/models/{name}/ready",
                                                              "POST /v2/models/{name}/infer",
                                                              "POST /v2/repository/index",
                                                              "POST /v2/repository/models/{name}/load",
                                                              "POST /v2/repository/models/{name}/unload",
                                                              "GET /v1/models",
                                                              "GET /v1/models/{id}",
                                                              "GET /livez",
                                                              "GET /readyz",
                                                              "GET /startupz",
                                                              "GET /health",
                                                              "GET /model-status",
                                                              "GET /capabilities",
                                                              "GET /suggestion",
                                                              "GET /metrics",
                                                              "GET /admin/models",
                                                              "POST /admin/models/{name}/load",
                                                              "POST /admin/models/{name}/unload",
                                                              "POST /admin/models/{name}/warmup",
                                                              "POST /admin/models/{name}/swap",
                                                              "DELETE /admin/models/{name}",
                                                              "GET /admin/models/pull",
                                                              "POST /admin/models/pull",
                                                              "DELETE /admin/models/pull/{name}",
                                                              "GET /admin/jobs",
                                                              "GET /admin/jobs/{id}",
                                                              "GET /admin/jobs/{id}/events",
                                                              "GET /admin/events",
                                                              "POST /admin/reload"}}));
    };
    add_page_routes(router);
    router.add({.pattern = "/", .handle = [index](const RequestPtr& request, const Respond& respond) {
                    auto response = wants_page(*request) ? respond_page(*request) : index();
                    response.headers.merge("Vary", "Accept");
                    respond(std::move(response));
                }});
}

}  // namespace hotmic::server
