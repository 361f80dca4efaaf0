/// Kubernetes' probes: /livez (the process answers), /readyz (requests are served), /startupz (they were served once).
/// Text, or JSON where the client accepts it. None of them waits for anything.
/// https://kubernetes.io/docs/reference/using-api/health-checks/
#include <algorithm>
#include <format>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hotmic/state.hpp"
#include "hotmic/units.hpp"
#include "server/catalog.hpp"
#include "server/context.hpp"
#include "server/http/message.hpp"
#include "server/http/router.hpp"
#include "server/responses.hpp"
#include "text/json.hpp"

namespace hotmic::server {
namespace wire {

struct ProbeModel {
    std::string model;
    std::string state;
    bool ready = false;
    std::optional<std::string> served_by;  // while that is another one
    std::string reason;
    double progress = 0;  // of reading the weights, 0..1
    std::optional<double> eta_seconds;
};

struct Probe {
    std::string status;
    std::string reason;
    std::vector<ProbeModel> models;
};

}  // namespace wire

namespace {

wire::ProbeModel describe(const ModelCatalog& catalog, const EntryPtr& entry) {
    const auto health = entry->model->health();
    const auto server = catalog.serving(entry);
    const auto& progress = health.progress;
    return {.model = entry->name,
            .state = std::string(to_string(health.state)),
            .ready = health.ready,
            .served_by = server == entry ? std::nullopt : std::optional(server->name),
            .reason = health.reason,
            .progress = progress.fraction().value_or(0),
            .eta_seconds = health.eta.transform(to_s)};
}

Response answer(const http::Request& request, bool good, const wire::Probe& probe) {
    const int status = good ? 200 : 503;
    Response response;
    if (request.header("accept").contains("application/json")) {
        response = respond_json(to_json(probe), status);
    } else {
        std::string text = probe.status + "\n";
        if (!probe.reason.empty()) text += probe.reason + "\n";
        for (const auto& model : probe.models) {
            text += std::format("{}: {}", model.model, model.state);
            if (model.served_by) text += std::format(" - served by {}", *model.served_by);
            if (!model.reason.empty()) text += std::format(" - {}", model.reason);
            if (model.eta_seconds) text += std::format(" - about {:.1f} s to go", *model.eta_seconds);
            text += "\n";
        }
        response = respond_text(std::move(text), "text/plain; charset=utf-8", status);
    }
    response.headers.set("Cache-Control", "no-store");
    return response;
}

wire::Probe probe_of(const Context& context, bool good, std::string reason) {
    wire::Probe probe{.status = good ? "ok" : "not ready", .reason = std::move(reason), .models = {}};
    for (const auto& entry : context.catalog.entries()) probe.models.push_back(describe(context.catalog, entry));
    return probe;
}

}  // namespace

void add_probes_routes(http::Router& router, Context& context) {
    const auto probe = [&](const char* path, std::function<Response(const http::Request&)> make) {
        router.add_check({.pattern = path,
                          .handle = [make = std::move(make)](const RequestPtr& request,
                                                             const Respond& respond) { respond(make(*request)); },
                          .is_probe = true});
    };
    probe("/livez", [](const http::Request& request) {
        return answer(request, true, {.status = "ok", .reason = {}, .models = {}});
    });
    probe("/readyz", [&context](const http::Request& request) {
        const bool stopping = context.not_ready;
        const bool good = !stopping && context.catalog.ready();
        auto response = answer(request, good, probe_of(context, good, stopping ? "the server is shutting down" : ""));
        if (!good) {
            int wait = 1;
            for (const auto& entry : context.catalog.entries()) {
                if (entry->required) wait = std::max(wait, retry_after(entry->model->health()));
            }
            response.headers.set("Retry-After", std::to_string(wait));
        }
        return response;
    });
    probe("/startupz", [&context](const http::Request& request) {
        context.note_ready();
        const bool good = context.started;
        return answer(request, good, probe_of(context, good, ""));
    });
}

}  // namespace hotmic::server
