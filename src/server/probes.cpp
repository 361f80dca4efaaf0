/// Kubernetes' probes: /livez (the process answers), /readyz (requests are served), /startupz (they were served once).
/// Text, or JSON where the client accepts it. None of them waits for anything.
/// https://kubernetes.io/docs/reference/using-api/health-checks/
#include <drogon/HttpAppFramework.h>

#include <format>

#include "server/context.hpp"
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
    const auto& [done, total, beats] = health.progress;
    return {.model = entry->name,
            .state = std::string(to_string(health.state)),
            .ready = health.ready,
            .served_by = server == entry ? std::nullopt : std::optional(server->name),
            .reason = health.reason,
            .progress = total == 0 ? 0 : static_cast<double>(done) / static_cast<double>(total),
            .eta_seconds = health.eta_seconds};
}

drogon::HttpResponsePtr answer(const drogon::HttpRequestPtr& request, bool good, const wire::Probe& probe) {
    const int status = good ? 200 : 503;
    drogon::HttpResponsePtr response;
    if (request->getHeader("accept").contains("application/json")) {
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
    response->addHeader("Cache-Control", "no-store");
    return response;
}

wire::Probe probe_of(const Context& context, bool good, std::string reason) {
    wire::Probe probe{.status = good ? "ok" : "not ready", .reason = std::move(reason), .models = {}};
    for (const auto& entry : context.catalog.entries()) probe.models.push_back(describe(context.catalog, entry));
    return probe;
}

}  // namespace

void register_probes(Context& context) {
    auto& app = drogon::app();
    app.registerHandler("/livez",
                        [](const drogon::HttpRequestPtr& request, Respond&& respond) {
                            respond(answer(request, true, {.status = "ok", .reason = {}, .models = {}}));
                        },
                        {drogon::Get, drogon::Head});
    app.registerHandler("/readyz",
                        [&context](const drogon::HttpRequestPtr& request, Respond&& respond) {
                            const bool stopping = context.not_ready;
                            const bool good = !stopping && context.catalog.ready();
                            auto response = answer(
                                request, good, probe_of(context, good, stopping ? "the server is shutting down" : ""));
                            if (!good) {
                                int wait = 1;
                                for (const auto& entry : context.catalog.entries()) {
                                    if (entry->required) wait = std::max(wait, retry_after(entry->model->health()));
                                }
                                response->addHeader("Retry-After", std::to_string(wait));
                            }
                            respond(response);
                        },
                        {drogon::Get, drogon::Head});
    app.registerHandler("/startupz",
                        [&context](const drogon::HttpRequestPtr& request, Respond&& respond) {
                            context.note_ready();
                            const bool good = context.started;
                            respond(answer(request, good, probe_of(context, good, "")));
                        },
                        {drogon::Get, drogon::Head});
}

}  // namespace hotmic::server
