/// /metrics, for Prometheus and what reads its formats.
#include <array>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"
#include "server/context.hpp"
#include "server/http/message.hpp"
#include "server/http/router.hpp"
#include "server/job_run.hpp"
#include "server/keys.hpp"
#include "server/responses.hpp"
#include "telemetry/metrics.hpp"

namespace hotmic::server {
namespace {

constexpr std::array kStates{ModelState::uninitialized, ModelState::loading, ModelState::warming_up,
                             ModelState::ready,         ModelState::error,   ModelState::unloading};

constexpr const char* kPrometheus = "text/plain; version=0.0.4; charset=utf-8";
constexpr const char* kOpenMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is told as of now, not as it happens.
void look_around(const Context& context) {
    std::vector<telemetry::Metrics::ModelGauges> models;
    for (const auto& entry : context.catalog.entries()) {
        const auto health = entry->model->health();
        telemetry::Metrics::ModelGauges gauges{.model = entry->name,
                                               .state = to_string(health.state),
                                               .all_states = {},
                                               .load_time = health.load_time,
                                               .warmup_time = health.warmup_time,
                                               .resident_bytes = static_cast<double>(health.resident.count()),
                                               .slots = static_cast<double>(health.queue.slots),
                                               .slots_busy = static_cast<double>(health.queue.busy),
                                               .waiting = static_cast<double>(health.queue.waiting),
                                               .first_request_ratio = health.first_request_ratio.value_or(0),
                                               .transitions = context.journal.last_sequence()};
        for (const auto state : kStates) gauges.all_states.push_back(to_string(state));
        models.push_back(std::move(gauges));
    }
    context.metrics.models(models);
    std::vector<telemetry::Metrics::KeyGauges> keys;
    for (const auto& key : context.keys.all())
        keys.push_back({key.name, key.expires ? static_cast<double>(key.expires->time_since_epoch().count()) : 0.0});
    context.metrics.keys(keys);
    const auto live = context.live.status();
    std::vector<std::pair<std::string_view, Seconds>> thresholds;
    thresholds.reserve(live.levels.size());
    for (const auto& level : live.levels) thresholds.emplace_back(level.name, level.late);
    context.metrics.live({.streams = static_cast<double>(live.streams),
                          .level = live.level,
                          .thresholds = std::move(thresholds),
                          .lateness = live.lateness,
                          .backlog = live.backlog,
                          .dropped = live.dropped});
    if (context.decoder_gauges) context.metrics.decoders(context.decoder_gauges());
    context.metrics.jobs(job_gauges_of(context));
    context.metrics.connections({.open = static_cast<double>(context.door.open()),
                                 .refused = static_cast<double>(context.door.refused()),
                                 .evicted = static_cast<double>(context.door.evicted()),
                                 .buffered_bytes = static_cast<double>(context.budget.held()),
                                 .max_buffered_bytes = static_cast<double>(context.budget.most()),
                                 .buffer_refusals = static_cast<double>(context.budget.refusals()),
                                 .spooled_bytes = static_cast<double>(context.spool->budget().held()),
                                 .max_spooled_bytes = static_cast<double>(context.spool->budget().most()),
                                 .spool_refusals = static_cast<double>(context.spool->budget().refusals())});
    const auto counts = context.downloads.counts();
    telemetry::Metrics::DownloadFigures downloads{.received_bytes = static_cast<double>(counts.received.count()),
                                                  .results = counts.results};
    for (const auto& each : context.downloads.under_way()) {
        ++downloads.under_way;
        downloads.done_bytes += static_cast<double>(each.progress.done.count());
        downloads.total_bytes += static_cast<double>(each.progress.total.count());
        downloads.bytes_per_second += each.bytes_per_second;
    }
    context.metrics.downloads(downloads);
    const auto spans = context.traces.counts();
    context.metrics.spans(spans.exported, spans.failed);
}

/// Whoever can read OpenMetrics prefers it.
bool reads_open_metrics(const http::Request& request) {
    return request.header("accept").contains("application/openmetrics-text");
}

}  // namespace

void add_metrics_routes(http::Router& router, Context& context) {
    router.add({.pattern = "/metrics",
                .check = [&context](const RequestPtr& request) -> std::optional<Response> {
                    const auto known = context.keys.authorize(*request, Scope::metrics);
                    if (known) return std::nullopt;
                    context.metrics.error(to_string(known.error().code));
                    return respond_error(known.error(), request.get());
                },
                .handle =
                    [&context](const RequestPtr& request, const Respond& respond) {
                        look_around(context);
                        auto response = reads_open_metrics(*request)
                                            ? respond_text(context.metrics.open_metrics(), kOpenMetrics)
                                            : respond_text(context.metrics.text(), kPrometheus);
                        response.headers.merge("Vary", "Accept");
                        respond(std::move(response));
                    },
                .is_probe = true});
}

}  // namespace hotmic::server
