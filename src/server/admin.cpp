/// What operators do: /admin/models, /admin/jobs, /admin/events, /admin/reload.
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <format>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"
#include "server/admin_json.hpp"
#include "server/catalog.hpp"
#include "server/context.hpp"
#include "server/event_stream.hpp"
#include "server/http/message.hpp"
#include "server/http/router.hpp"
#include "server/responses.hpp"
#include "server/transition_json.hpp"
#include "text/json.hpp"
#include "text/utf8.hpp"

namespace hotmic::server {
namespace wire {

struct Successor {
    std::string instance;
    std::string state;
    std::string reason;
    std::optional<double> eta_seconds;
};

struct Slot {
    std::string request;  // empty: free
    double running_ms = 0;
    bool background = false;
    double audio_seconds = 0;                   // recognized so far
    std::optional<double> audio_total_seconds;  // where that is known
};

struct AdminModel {
    std::string name;
    std::vector<std::string> aliases;
    bool required = true;
    std::vector<std::string> fallback;
    std::string state;
    bool ready = false;
    bool resting = false;
    std::string provider;
    std::string path;
    std::string chosen_because;
    std::optional<std::string> instance;
    std::optional<std::string> reason;
    std::optional<AdminError> last_error;
    std::optional<std::string> warning;
    double progress = 0;  // of reading the weights, 0 to 1
    int warmup_level = 0;
    std::optional<double> eta_seconds;
    std::optional<double> retry_in_seconds;
    double load_time_ms = 0;
    double warmup_time_ms = 0;
    double mean_inference_ms = 0;
    int deaths = 0;
    std::uint64_t resident_bytes = 0;
    std::uint64_t requests = 0;
    int slots = 0;
    int busy = 0;
    std::size_t waiting = 0;
    std::vector<Slot> activity;            // by slot
    std::optional<std::string> served_by;  // while that is another one
    std::optional<Successor> successor;    // while a swap prepares it
};
struct AdminModels {
    std::vector<AdminModel> models;
};
struct AdminEvents {
    std::vector<Event> events;
};

}  // namespace wire

namespace {

/// Of a request's JSON: more than any section of a configuration takes.
constexpr std::size_t kMostBodyBytes = 64 << 10;

std::optional<std::string> unless_empty(std::string text) {
    return text.empty() ? std::nullopt : std::optional(std::move(text));
}

wire::AdminModel describe(const ModelCatalog& catalog, const EntryPtr& entry) {
    const auto health = entry->model->health();
    const auto plan = entry->model->plan();
    const auto server = catalog.serving(entry);
    wire::AdminModel model{
        .name = entry->name,
        .aliases = entry->aliases,
        .required = entry->required,
        .fallback = entry->fallback,
        .state = std::string(to_string(health.state)),
        .ready = health.ready,
        .resting = health.resting,
        .provider = health.provider,
        .path = valid_utf8(plan.spec.path.string()),
        .chosen_because = valid_utf8(plan.reason),
        .instance = unless_empty(health.instance),
        .reason = unless_empty(health.reason),
        .last_error = health.last_error.transform([](const Error& error) { return server::describe(error); }),
        .warning = unless_empty(health.shortfall.empty() ? health.slower : health.shortfall),
        .progress = health.progress.fraction().value_or(0),
        .warmup_level = health.warmup_level,
        .eta_seconds = health.eta.transform(to_s),
        .retry_in_seconds = health.retry_in.transform(to_s),
        .load_time_ms = to_ms(health.load_time),
        .warmup_time_ms = to_ms(health.warmup_time),
        .mean_inference_ms = to_ms(health.mean_inference),
        .deaths = health.deaths,
        .resident_bytes = health.resident.count(),
        .requests = health.requests,
        .slots = health.queue.slots,
        .busy = health.queue.busy,
        .waiting = health.queue.waiting,
        .activity = {},
        .served_by = server == entry ? std::nullopt : std::optional(server->name),
        .successor = {}};
    for (const auto& slot : health.queue.activity) {
        model.activity.push_back(
            {slot.request, to_ms(slot.running), slot.background, slot.recognized.count(), slot.length.transform(to_s)});
    }
    if (const auto next = entry->model->successor()) {
        model.successor = {.instance = next->instance,
                           .state = std::string(to_string(next->state)),
                           .reason = next->reason,
                           .eta_seconds = next->eta.transform(to_s)};
    }
    return model;
}

std::uint64_t number_in(const std::string& text) {
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

class Admin : public std::enable_shared_from_this<Admin> {
public:
    explicit Admin(Context& context) : context_(context) {}

    /// `handle` is given what the names in the route's pattern stand for.
    using Handler = std::function<Result<Response>(const http::Request&, const std::vector<std::string>& names)>;

    /// `most_body`: in bytes; 0: the route takes none.
    void route(http::Router& router, Method method, const char* pattern, Handler handle, std::size_t most_body = 0) {
        router.add({.method = method,
                    .pattern = pattern,
                    .check = [self = shared_from_this()](const RequestPtr& request) { return self->check(*request); },
                    .most_body = most_body,
                    .handle =
                        [self = shared_from_this(), handle = std::move(handle)](const RequestPtr& request,
                                                                                const Respond& respond) {
                            auto response = handle(*request, request->captures);
                            respond(response ? *std::move(response) : self->refusal(response.error(), *request));
                        }});
    }

    /// The same for what reads files, and so must not be done on a loop.
    void route_apart(http::Router& router, const char* pattern, Handler handle, std::size_t most_body = 0) {
        const auto self = shared_from_this();
        router.add({.method = Method::post,
                    .pattern = pattern,
                    .check = [self](const RequestPtr& request) { return self->check(*request); },
                    .most_body = most_body,
                    .handle =
                        [self, handle = std::move(handle)](const RequestPtr& request, const Respond& respond) {
                            const auto answer = [self, handle, request, respond] {
                                auto response = handle(*request, request->captures);
                                respond(response ? *std::move(response) : self->refusal(response.error(), *request));
                            };
                            if (self->context_.planning.submit(answer)) return;
                            respond(self->refusal({ErrorCode::queue_full, "too many changes are under way already"},
                                                  *request));
                        }});
    }

    Result<Response> models() const {
        wire::AdminModels body;
        for (const auto& entry : context_.catalog.entries()) body.models.push_back(describe(context_.catalog, entry));
        return respond_json(to_json(body));
    }

    Result<Response> remove(const std::string& name) const {
        auto job = context_.catalog.remove(name);
        if (!job) return std::unexpected(std::move(job).error());
        return respond_job(*job, 202);
    }

    Result<Response> jobs() const {
        wire::JobsBody body;
        for (const auto& job : context_.jobs.all()) body.jobs.push_back(server::describe(job));
        return respond_json(to_json(body));
    }

    Result<Response> job(const std::string& id) const {
        const auto found = context_.jobs.find(id);
        if (!found) return no_job(id);
        return respond_job(*found, 200);
    }

    Result<Response> job_events(const std::string& id) const {
        if (!context_.jobs.find(id)) return no_job(id);
        return respond_events([&jobs = context_.jobs, id, seen = std::size_t{0}](bool& last) mutable {
            std::vector<ServerEvent> events;
            for (const auto& version : jobs.versions(id, seen)) {
                events.push_back(
                    {.id = std::to_string(++seen), .event = "job", .data = to_json(server::describe(version))});
                last = version.state != Job::State::running;
            }
            return events;
        });
    }

    Result<Response> events(const http::Request& request) const {
        const auto resumed = request.header("last-event-id");
        const auto after = number_in(resumed.empty() ? request.parameter("after") : std::string(resumed));
        if (request.header("accept").contains("application/json")) {
            wire::AdminEvents body;
            for (const auto& step : context_.journal.since(after)) body.events.push_back(wire::event_of(step));
            return respond_json(to_json(body));
        }
        return respond_events([&journal = context_.journal, seen = after](bool&) mutable {
            std::vector<ServerEvent> events;
            for (const auto& step : journal.since(seen)) {
                seen = step.sequence;
                events.push_back({.id = std::to_string(step.sequence),
                                  .event = "transition",
                                  .data = to_json(wire::event_of(step))});
            }
            return events;
        });
    }

    Result<Response> begin(const std::string& name, std::string_view action) const {
        if (context_.refusing) return fail(ErrorCode::shutting_down, "the server is shutting down");
        const auto entry = context_.catalog.find(name);
        if (!entry) return std::unexpected(entry.error());
        auto& model = *(*entry)->model;
        if (action == "load") return respond_job(model.load(), 202);
        if (action == "unload") return respond_job(model.release(), 202);
        return respond_job(model.warm(), 202);
    }

    Result<Response> swap(const std::string& name, const std::string& body) {
        if (context_.refusing) return fail(ErrorCode::shutting_down, "the server is shutting down");
        const auto entry = context_.catalog.find(name);
        if (!entry) return std::unexpected(entry.error());
        const auto keys = keys_of(body);
        if (!keys) return std::unexpected(keys.error());
        auto swap = context_.planner.plan_swap((*entry)->name, *keys);
        if (!swap) return std::unexpected(std::move(swap).error());
        return respond_job((*entry)->model->swap(std::move(swap->plan), swap->strategy), 202);
    }

    Result<Response> reload() const {
        if (auto read = context_.keys.reload(); !read) return std::unexpected(std::move(read).error());
        auto begun = context_.planner.reload();
        if (!begun) return std::unexpected(std::move(begun).error());
        wire::JobsBody body;
        for (const auto& job : *begun) body.jobs.push_back(server::describe(job));
        return respond_json(to_json(body), 202);
    }

private:
    static std::unexpected<Error> no_job(const std::string& id) {
        return fail(ErrorCode::not_found, std::format("there is no job \"{}\"", id), "GET /admin/jobs lists them");
    }

    [[nodiscard]] std::optional<Response> check(http::Request& request) const {
        return refuse_strangers(context_, request);
    }

    Response refusal(const Error& error, const http::Request& request) const {
        return server::refusal(context_, error, request);
    }

    Context& context_;
};

}  // namespace

void add_admin_routes(http::Router& router, Context& context) {
    using Asked = const http::Request&;
    using Names = const std::vector<std::string>&;
    const auto admin = std::make_shared<Admin>(context);
    admin->route(router, Method::get, "/admin/models", [admin](Asked, Names) { return admin->models(); });
    admin->route(router, Method::del, "/admin/models/{name...}",
                 [admin](Asked, Names names) { return admin->remove(names[0]); });
    for (const char* action : {"load", "unload", "warmup"}) {
        admin->route(
            router, Method::post, std::format("/admin/models/{{name...}}/{}", action).c_str(),
            [admin, action](Asked, Names names) { return admin->begin(names[0], action); }, kMostBodyBytes);
    }
    admin->route_apart(
        router, "/admin/models/{name...}/swap",
        [admin](Asked request, Names names) { return admin->swap(names[0], request.body); }, kMostBodyBytes);
    admin->route(router, Method::get, "/admin/jobs", [admin](Asked, Names) { return admin->jobs(); });
    admin->route(router, Method::get, "/admin/jobs/{id}", [admin](Asked, Names names) { return admin->job(names[0]); });
    admin->route(router, Method::get, "/admin/jobs/{id}/events",
                 [admin](Asked, Names names) { return admin->job_events(names[0]); });
    admin->route(router, Method::get, "/admin/events",
                 [admin](Asked request, Names) { return admin->events(request); });
    admin->route_apart(router, "/admin/reload", [admin](Asked, Names) { return admin->reload(); });
}

}  // namespace hotmic::server
