#include "telemetry/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace hotmic::telemetry {
namespace {

using Buckets = prometheus::Histogram::BucketBoundaries;

const Buckets kSeconds{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300};
const Buckets kFactors{0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 5};

auto& counter(prometheus::Registry& registry, const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}
auto& gauge(prometheus::Registry& registry, const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}
auto& histogram(prometheus::Registry& registry, const char* name, const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

}  // namespace

struct Metrics::Impl {
    prometheus::Registry registry;
    prometheus::Family<prometheus::Counter>& requests =
        counter(registry, "hotmic_http_requests_total", "HTTP requests answered, by route and status");
    prometheus::Family<prometheus::Histogram>& durations = histogram(
        registry, "hotmic_http_request_duration_seconds", "From the request's head to its response, by route");
    prometheus::Family<prometheus::Counter>& errors =
        counter(registry, "hotmic_errors_total", "Errors told to clients, by code");
    prometheus::Gauge& in_flight =
        gauge(registry, "hotmic_requests_in_flight", "Recognition requests accepted and not yet answered").Add({});
    prometheus::Family<prometheus::Counter>& replays =
        counter(registry, "hotmic_requests_replayed_total", "Requests tried again because their model was lost");
    prometheus::Family<prometheus::Histogram>& queued =
        histogram(registry, "hotmic_queue_wait_seconds", "Time a request waited for a slot");
    prometheus::Family<prometheus::Histogram>& inference =
        histogram(registry, "hotmic_inference_seconds", "Time a request had a slot");
    prometheus::Family<prometheus::Histogram>& factor =
        histogram(registry, "hotmic_real_time_factor", "Inference time over audio time");
    prometheus::Family<prometheus::Counter>& audio =
        counter(registry, "hotmic_audio_seconds_total", "Seconds of audio recognized");
    prometheus::Family<prometheus::Gauge>& state =
        gauge(registry, "hotmic_model_state", "1 for the state the model is in");
    prometheus::Family<prometheus::Gauge>& load =
        gauge(registry, "hotmic_model_load_seconds", "Time the last load took");
    prometheus::Family<prometheus::Gauge>& warmup =
        gauge(registry, "hotmic_model_warmup_seconds", "Time the last warmup took");
    prometheus::Family<prometheus::Gauge>& resident =
        gauge(registry, "hotmic_model_resident_bytes", "Resident memory of the model");
    prometheus::Family<prometheus::Gauge>& slots = gauge(registry, "hotmic_slots", "Slots, by whether they are busy");
    prometheus::Family<prometheus::Gauge>& waiting =
        gauge(registry, "hotmic_queue_waiting", "Requests waiting for a slot");
    prometheus::Family<prometheus::Gauge>& first =
        gauge(registry, "hotmic_first_request_ratio",
              "Real-time factor of the first request after READY over warm steady state");
    prometheus::Gauge& live_streams = gauge(registry, "hotmic_live_streams", "Live streams open now").Add({});
    prometheus::Family<prometheus::Gauge>& live_level =
        gauge(registry, "hotmic_live_level", "1 for the level of service that live streams have now, 0 for the others");
    prometheus::Family<prometheus::Gauge>& live_threshold =
        gauge(registry, "hotmic_live_level_threshold_seconds", "Lateness above which a level of service begins");
    prometheus::Gauge& live_lateness = gauge(registry, "hotmic_live_lateness_seconds",
                                             "Between when a live decode is due and when it begins; moving mean")
                                           .Add({});
    prometheus::Gauge& live_backlog =
        gauge(registry, "hotmic_live_backlog_seconds", "Audio of live streams that is over and has no final yet")
            .Add({});
    prometheus::Gauge& live_dropped =
        gauge(registry, "hotmic_live_dropped_seconds", "Audio of live streams that was dropped since the start")
            .Add({});
    prometheus::Family<prometheus::Gauge>& transitions =
        gauge(registry, "hotmic_model_transitions", "Sequence number of the last lifecycle transition");
};

Metrics::Metrics(const std::vector<std::string_view>& error_codes, std::string_view version)
    : impl_(std::make_unique<Impl>()) {
    for (const auto code : error_codes) impl_->errors.Add({{"code", std::string(code)}});
    gauge(impl_->registry, "hotmic_build_info", "Always 1").Add({{"version", std::string(version)}}).Set(1);
}
Metrics::~Metrics() = default;

void Metrics::request(std::string_view route, int status, double seconds) {
    impl_->requests.Add({{"route", std::string(route)}, {"status", std::to_string(status)}}).Increment();
    impl_->durations.Add({{"route", std::string(route)}}, kSeconds).Observe(seconds);
}

void Metrics::error(std::string_view code) {
    impl_->errors.Add({{"code", std::string(code)}}).Increment();
}

void Metrics::recognition(std::string_view model, double queued_seconds, double inference_seconds,
                          double audio_seconds) {
    const prometheus::Labels labels{{"model", std::string(model)}};
    impl_->queued.Add(labels, kSeconds).Observe(queued_seconds);
    impl_->inference.Add(labels, kSeconds).Observe(inference_seconds);
    if (audio_seconds > 0) impl_->factor.Add(labels, kFactors).Observe(inference_seconds / audio_seconds);
    impl_->audio.Add(labels).Increment(audio_seconds);
}

void Metrics::replayed(std::string_view model) {
    impl_->replays.Add({{"model", std::string(model)}}).Increment();
}

void Metrics::in_flight(int change) {
    impl_->in_flight.Increment(change);
}

void Metrics::model(const ModelGauges& gauges) {
    const prometheus::Labels labels{{"model", gauges.model}};
    for (const auto state : gauges.all_states) {
        impl_->state.Add({{"model", gauges.model}, {"state", std::string(state)}}).Set(state == gauges.state ? 1 : 0);
    }
    impl_->replays.Add(labels);  // from the start, so that its first increase shows
    impl_->load.Add(labels).Set(gauges.load_seconds);
    impl_->warmup.Add(labels).Set(gauges.warmup_seconds);
    impl_->resident.Add(labels).Set(gauges.resident_bytes);
    impl_->slots.Add({{"model", gauges.model}, {"use", "busy"}}).Set(gauges.slots_busy);
    impl_->slots.Add({{"model", gauges.model}, {"use", "free"}}).Set(gauges.slots - gauges.slots_busy);
    impl_->waiting.Add(labels).Set(gauges.waiting);
    impl_->first.Add(labels).Set(gauges.first_request_ratio);
    impl_->transitions.Add(labels).Set(static_cast<double>(gauges.transitions));
}

void Metrics::live(const LiveGauges& gauges) {
    impl_->live_streams.Set(gauges.streams);
    for (const auto& [level, threshold] : gauges.thresholds) {
        const prometheus::Labels labels{{"level", std::string(level)}};
        impl_->live_level.Add(labels).Set(level == gauges.level ? 1 : 0);
        impl_->live_threshold.Add(labels).Set(threshold);
    }
    impl_->live_lateness.Set(gauges.lateness_seconds);
    impl_->live_backlog.Set(gauges.backlog_seconds);
    impl_->live_dropped.Set(gauges.dropped_seconds);
}

std::string Metrics::text() const {
    return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace hotmic::telemetry
