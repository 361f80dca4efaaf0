/// What operators do: /admin/models, /admin/jobs, /admin/events, /admin/reload.
#include <drogon/HttpAppFramework.h>

#include <cctype>
#include <charconv>
#include <format>

#include "server/context.hpp"
#include "server/event_stream.hpp"
#include "server/responses.hpp"
#include "server/transition_json.hpp"
#include "text/json.hpp"
#include "text/utf8.hpp"

namespace hotmic::server {
namespace wire {

struct AdminError {
    std::string code;
    std::string message;
    std::string remedy;
};

struct AdminJob {
    std::string id;
    std::string kind;
    std::string model;
    std::string state;
    std::string step;
    std::optional<std::string> instance;
    std::optional<AdminError> error;
    std::string began;
    double duration_ms = 0;
};
struct JobBody {
    AdminJob job;
};
struct JobsBody {
    std::vector<AdminJob> jobs;
};

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

wire::AdminError describe(const Error& error) {
    return {.code = std::string(to_string(error.code)),
            .message = valid_utf8(error.message),
            .remedy = valid_utf8(error.remedy)};
}

wire::AdminJob describe(const Job& job) {
    return {.id = job.id,
            .kind = job.kind,
            .model = job.model,
            .state = std::string(to_string(job.state)),
            .step = job.step,
            .instance = unless_empty(job.instance),
            .error = job.error.transform([](const Error& error) { return describe(error); }),
            .began = wire::time_of(job.began),
            .duration_ms = job.duration_ms};
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
        .last_error = health.last_error.transform([](const Error& error) { return describe(error); }),
        .warning = unless_empty(health.shortfall.empty() ? health.slower : health.shortfall),
        .progress = health.progress.total_bytes == 0 ? 0
                                                     : static_cast<double>(health.progress.done_bytes) /
                                                           static_cast<double>(health.progress.total_bytes),
        .warmup_level = health.warmup_level,
        .eta_seconds = health.eta_seconds,
        .retry_in_seconds = health.retry_in_seconds,
        .load_time_ms = health.load_time_ms,
        .warmup_time_ms = health.warmup_time_ms,
        .mean_inference_ms = health.mean_inference_ms,
        .deaths = health.deaths,
        .resident_bytes = health.resident_bytes,
        .requests = health.requests,
        .slots = health.queue.slots,
        .busy = health.queue.busy,
        .waiting = health.queue.waiting,
        .activity = {},
        .served_by = server == entry ? std::nullopt : std::optional(server->name),
        .successor = {}};
    for (const auto& slot : health.queue.activity) {
        model.activity.push_back(
            {slot.request, slot.running_ms, slot.background, slot.audio_seconds, slot.audio_total_seconds});
    }
    if (const auto next = entry->model->successor()) {
        model.successor = {.instance = next->instance,
                           .state = std::string(to_string(next->state)),
                           .reason = next->reason,
                           .eta_seconds = next->eta_seconds};
    }
    return model;
}

drogon::HttpResponsePtr respond_job(const Job& job, int status) {
    auto response = respond_json(to_json(wire::JobBody{describe(job)}), status);
    response->addHeader("Location", "/admin/jobs/" + job.id);
    return response;
}

Result<config::Value> value_of(const glz::generic_i64& json, const std::string& key) {
    if (const auto* text = json.get_if<std::string>()) return *text;
    if (const auto* yes = json.get_if<bool>()) return *yes;
    if (const auto* whole = json.get_if<std::int64_t>()) return *whole;
    if (const auto* number = json.get_if<double>()) return *number;
    if (json.is_array()) {
        std::vector<std::string> texts;
        for (const auto& each : json.get_array()) {
            if (const auto* text = each.get_if<std::string>()) texts.push_back(*text);
        }
        if (texts.size() == json.get_array().size()) return texts;
    }
    return fail(ErrorCode::invalid_request,
                std::format("{} is neither text, number, true, false nor a list of texts", key), "", key);
}

/// The keys of a JSON object; those of an object within are "outer.inner", as in a configuration file.
Result<void> collect(const glz::generic_i64& json, const std::string& prefix,
                     std::map<std::string, config::Value>& keys) {
    for (const auto& [name, each] : json.get_object()) {
        const auto key = prefix + std::string(name);
        if (each.is_object()) {
            if (auto inner = collect(each, key + ".", keys); !inner) return inner;
            continue;
        }
        auto value = value_of(each, key);
        if (!value) return std::unexpected(std::move(value).error());
        keys[key] = *std::move(value);
    }
    return {};
}

Result<std::map<std::string, config::Value>> keys_of(const std::string& body) {
    std::map<std::string, config::Value> keys;
    if (body.empty()) return keys;
    glz::generic_i64 json;
    if (const auto problem = glz::read_json(json, body); problem || !json.is_object()) {
        return fail(ErrorCode::invalid_request,
                    "the body is no JSON object" + (problem ? ": " + glz::format_error(problem, body) : ""),
                    R"(send keys of the model, like {"path": "ggml-small.bin"})");
    }
    if (auto collected = collect(json, "", keys); !collected) return std::unexpected(std::move(collected).error());
    return keys;
}

std::uint64_t number_in(const std::string& text) {
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

class Admin : public std::enable_shared_from_this<Admin> {
public:
    explicit Admin(Context& context) : context_(context) {}

    using Handler = std::function<Result<drogon::HttpResponsePtr>(const drogon::HttpRequestPtr&, const std::string&)>;

    /// A route without a body. `handle` is given what the first parenthesis of `path` matched.
    void route(const char* path, drogon::HttpMethod method, Handler handle) {
        drogon::app().registerHandlerViaRegex(
            path,
            [self = shared_from_this(), handle = std::move(handle)](const drogon::HttpRequestPtr& request,
                                                                    Respond&& respond, const std::string& what) {
                const auto known = authorize_admin(request, self->context_.config.server.admin_key);
                auto response = known ? handle(request, what) : std::unexpected(known.error());
                respond(response ? *response : self->refusal(response.error(), request));
            },
            {method});
    }

    void act() {
        drogon::app().registerHandlerViaRegex(
            "/admin/models/(.+)/(load|unload|warmup|swap)",
            std::function<void(const drogon::HttpRequestPtr&, drogon::RequestStreamPtr&&, Respond&&, const std::string&,
                               const std::string&)>(
                [self = shared_from_this()](const drogon::HttpRequestPtr& request, drogon::RequestStreamPtr&& stream,
                                            Respond&& respond, const std::string& model, const std::string& action) {
                    self->receive(request, std::move(stream), std::move(respond), model, action);
                }),
            {drogon::Post});
    }

    Result<drogon::HttpResponsePtr> models() const {
        wire::AdminModels body;
        for (const auto& entry : context_.catalog.entries()) body.models.push_back(describe(context_.catalog, entry));
        return respond_json(to_json(body));
    }

    Result<drogon::HttpResponsePtr> remove(const std::string& name) const {
        auto job = context_.catalog.remove(name);
        if (!job) return std::unexpected(std::move(job).error());
        return respond_job(*job, 202);
    }

    Result<drogon::HttpResponsePtr> jobs() const {
        wire::JobsBody body;
        for (const auto& job : context_.jobs.all()) body.jobs.push_back(describe(job));
        return respond_json(to_json(body));
    }

    Result<drogon::HttpResponsePtr> job(const std::string& id) const {
        const auto found = context_.jobs.find(id);
        if (!found) return no_job(id);
        return respond_job(*found, 200);
    }

    Result<drogon::HttpResponsePtr> job_events(const std::string& id) const {
        if (!context_.jobs.find(id)) return no_job(id);
        return respond_events([&jobs = context_.jobs, id, seen = std::size_t{0}](bool& last) mutable {
            std::vector<ServerEvent> events;
            for (const auto& version : jobs.versions(id, seen)) {
                events.push_back({.id = std::to_string(++seen), .event = "job", .data = to_json(describe(version))});
                last = version.state != Job::State::running;
            }
            return events;
        });
    }

    Result<drogon::HttpResponsePtr> events(const drogon::HttpRequestPtr& request) const {
        const auto& resumed = request->getHeader("last-event-id");
        const auto after = number_in(resumed.empty() ? request->getParameter("after") : resumed);
        if (request->getHeader("accept").contains("application/json")) {
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

    Result<drogon::HttpResponsePtr> reload() const {
        auto begun = context_.planner.reload();
        if (!begun) return std::unexpected(std::move(begun).error());
        wire::JobsBody body;
        for (const auto& job : *begun) body.jobs.push_back(describe(job));
        return respond_json(to_json(body), 202);
    }

private:
    static std::unexpected<Error> no_job(const std::string& id) {
        return fail(ErrorCode::not_found, std::format("there is no job \"{}\"", id), "GET /admin/jobs lists them");
    }

    drogon::HttpResponsePtr refusal(const Error& error, const drogon::HttpRequestPtr& request) const {
        context_.metrics.error(to_string(error.code));
        return respond_error(error, request);
    }

    void receive(const drogon::HttpRequestPtr& request, drogon::RequestStreamPtr stream, Respond respond,
                 const std::string& model, const std::string& action) {
        if (const auto known = authorize_admin(request, context_.config.server.admin_key); !known)
            return respond(refusal(known.error(), request));
        const auto body = std::make_shared<std::string>();
        const auto done = [self = shared_from_this(), request, respond = std::move(respond), model, action,
                           body](const std::exception_ptr& problem) {
            Result<drogon::HttpResponsePtr> response;
            if (problem) {
                response = fail(ErrorCode::invalid_request, "the body ended early");
            } else if (body->size() > kMostBodyBytes) {
                response = fail(ErrorCode::body_too_large, std::format("the body is over {} bytes", kMostBodyBytes));
            } else {
                response = self->begin(model, action, *body);
            }
            respond(response ? *response : self->refusal(response.error(), request));
        };
        if (!stream) return done(nullptr);
        stream->setStreamReader(drogon::RequestStreamReader::newReader(
            [body](const char* data, std::size_t size) {
                if (body->size() <= kMostBodyBytes) body->append(data, size);
            },
            done));
    }

    Result<drogon::HttpResponsePtr> begin(const std::string& name, const std::string& action, const std::string& body) {
        if (context_.refusing) return fail(ErrorCode::shutting_down, "the server is shutting down");
        const auto entry = context_.catalog.find(name);
        if (!entry) return std::unexpected(entry.error());
        auto& model = *(*entry)->model;
        if (action == "load") return respond_job(model.load(), 202);
        if (action == "unload") return respond_job(model.release(), 202);
        if (action == "warmup") return respond_job(model.warm(), 202);
        const auto keys = keys_of(body);
        if (!keys) return std::unexpected(keys.error());
        auto swap = context_.planner.plan_swap((*entry)->name, *keys);
        if (!swap) return std::unexpected(std::move(swap).error());
        return respond_job(model.swap(std::move(swap->plan), swap->strategy), 202);
    }

    Context& context_;
};

}  // namespace

void register_admin(Context& context) {
    using Request = const drogon::HttpRequestPtr&;
    using What = const std::string&;
    const auto admin = std::make_shared<Admin>(context);
    admin->route("/admin/(models)", drogon::Get, [admin](Request, What) { return admin->models(); });
    admin->route("/admin/models/(.+)", drogon::Delete, [admin](Request, What name) { return admin->remove(name); });
    admin->route("/admin/(jobs)", drogon::Get, [admin](Request, What) { return admin->jobs(); });
    admin->route("/admin/jobs/([^/]+)", drogon::Get, [admin](Request, What id) { return admin->job(id); });
    admin->route("/admin/jobs/([^/]+)/events", drogon::Get,
                 [admin](Request, What id) { return admin->job_events(id); });
    admin->route("/admin/(events)", drogon::Get, [admin](Request request, What) { return admin->events(request); });
    admin->route("/admin/(reload)", drogon::Post, [admin](Request, What) { return admin->reload(); });
    admin->act();
}

}  // namespace hotmic::server
