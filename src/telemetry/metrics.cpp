#include "telemetry/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotmic/units.hpp"
#include "system/mutex.hpp"
#include "telemetry/exemplars.hpp"
#include "telemetry/open_metrics.hpp"

namespace hotmic::telemetry {
namespace {

using Buckets = prometheus::Histogram::BucketBoundaries;

const Buckets kSeconds{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300};
const Buckets kProbabilities{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99};
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

/// Two that do so at once would count the same twice.
void raise(prometheus::Counter& counter, double to) {
    counter.Increment(to - counter.Value());
}

}  // namespace

struct Metrics::Impl {
    prometheus::Registry registry;
    Exemplars exemplars;
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
    prometheus::Family<prometheus::Counter>& decoding =
        counter(registry, "hotmic_decoding_events_total",
                "What the engine did on the way: windows by length, decodings again by reason, fallbacks");
    prometheus::Family<prometheus::Counter>& uncovered =
        counter(registry, "hotmic_uncovered_speech_seconds_total",
                "Seconds of speech for which the model gave no text, though it heard them twice");
    prometheus::Family<prometheus::Histogram>& detections =
        histogram(registry, "hotmic_language_probability", "Probability of a language that was detected in a file");
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
    prometheus::Gauge& connections = gauge(registry, "hotmic_connections", "Connections open now").Add({});
    prometheus::Family<prometheus::Gauge>& turned_away =
        gauge(registry, "hotmic_connections_turned_away",
              "Connections closed to keep within the limits since the start, by whether they were new or idle");
    prometheus::Gauge& buffered = gauge(registry, "hotmic_buffered_bytes", "Bytes held for clients now").Add({});
    prometheus::Gauge& most_buffered =
        gauge(registry, "hotmic_buffered_bytes_limit", "Most bytes that are held for clients").Add({});
    prometheus::Gauge& buffer_refusals =
        gauge(registry, "hotmic_buffered_bytes_refusals", "Times that there was no room for bytes since the start")
            .Add({});
    prometheus::Gauge& spooled =
        gauge(registry, "hotmic_spooled_bytes", "Bytes of uploads that are on disk now").Add({});
    prometheus::Gauge& most_spooled =
        gauge(registry, "hotmic_spooled_bytes_limit", "Most bytes of uploads that are on disk").Add({});
    prometheus::Gauge& spool_refusals =
        gauge(registry, "hotmic_spooled_bytes_refusals", "Times that there was no room for uploads since the start")
            .Add({});
    prometheus::Family<prometheus::Counter>& key_requests =
        counter(registry, "hotmic_key_requests_total", "HTTP requests answered, by name of the API key and status");
    prometheus::Family<prometheus::Counter>& key_audio =
        counter(registry, "hotmic_key_audio_seconds_total", "Seconds of audio recognized, by name of the API key");
    prometheus::Family<prometheus::Gauge>& key_expires =
        gauge(registry, "hotmic_key_expires_timestamp_seconds",
              "When an API key that does so expires, in seconds since 1970");
    prometheus::Gauge& certificate =
        gauge(registry, "hotmic_certificate_expires_timestamp_seconds",
              "When the server's certificate expires, in seconds since 1970; 0 without TLS")
            .Add({});
    prometheus::Family<prometheus::Gauge>& jobs = gauge(registry, "hotmic_jobs", "Jobs that are kept, by status");
    prometheus::Gauge& jobs_oldest =
        gauge(registry, "hotmic_jobs_oldest_queued_seconds", "Since the oldest job that is queued was made").Add({});
    prometheus::Gauge& jobs_bytes =
        gauge(registry, "hotmic_jobs_bytes", "Bytes of recordings and results of jobs").Add({});
    prometheus::Gauge& deliveries_pending =
        gauge(registry, "hotmic_webhooks_pending", "Webhooks of jobs that are still to be heard").Add({});
    prometheus::Family<prometheus::Counter>& deliveries =
        counter(registry, "hotmic_webhook_attempts_total",
                "Attempts to deliver a webhook: delivered, refused (tried again), given_up");
    prometheus::Family<prometheus::Gauge>& transitions =
        gauge(registry, "hotmic_model_transitions", "Sequence number of the last lifecycle transition");

    prometheus::Gauge& decoders =
        gauge(registry, "hotmic_decoders", "Processes that decode media now, one for each file").Add({});
    prometheus::Gauge& decoders_begun =
        gauge(registry, "hotmic_decoders_begun", "Processes begun to decode media since the start").Add({});
    prometheus::Family<prometheus::Gauge>& decoders_lost =
        gauge(registry, "hotmic_decoders_lost",
              "Decoders that did not reach the end of their file since the start, by cause: crashed, limited, hung");
    prometheus::Gauge& decoders_replaced =
        gauge(registry, "hotmic_decoders_replaced",
              "Decoders that were lost and replaced by another that went on since the start")
            .Add({});

    prometheus::Gauge& downloads = gauge(registry, "hotmic_downloads_in_flight", "Models being downloaded now").Add({});
    prometheus::Gauge& download_done =
        gauge(registry, "hotmic_download_done_bytes", "Bytes that are here of models being downloaded").Add({});
    prometheus::Gauge& download_size =
        gauge(registry, "hotmic_download_size_bytes", "Bytes that models being downloaded have, as far as it is known")
            .Add({});
    prometheus::Gauge& download_rate =
        gauge(registry, "hotmic_download_bytes_per_second", "How fast models being downloaded come").Add({});
    prometheus::Counter& downloaded =
        counter(registry, "hotmic_download_bytes_total", "Bytes of models that came over the network").Add({});
    prometheus::Family<prometheus::Counter>& download_results =
        counter(registry, "hotmic_downloads_total", "Downloads that ended, by result: ok, or an error's code");
    Mutex raising_mutex;

    prometheus::Family<prometheus::Counter>& spans =
        counter(registry, "hotmic_trace_spans_total", "Spans that left, by result: exported, failed");

    /// What is told of each model.
    using Told = std::vector<std::pair<prometheus::Family<prometheus::Gauge>*, prometheus::Gauge*>>;
    Mutex models_mutex;
    std::map<std::string, Told> of_models HOTMIC_GUARDED_BY(models_mutex);

    void set_model(const ModelGauges& gauges) HOTMIC_REQUIRES(models_mutex);
    void observe(prometheus::Family<prometheus::Histogram>& family, const prometheus::Labels& labels,
                 const Buckets& buckets, double value, const TraceReference& trace);

    /// What is told of each key.
    struct OfKey {
        std::map<std::string, prometheus::Counter*> requests;  // by status
        prometheus::Counter* audio = nullptr;
        prometheus::Gauge* expires = nullptr;
    };
    Mutex keys_mutex;
    std::map<std::string, OfKey> of_keys HOTMIC_GUARDED_BY(keys_mutex);
};

Metrics::Metrics(const std::vector<std::string_view>& error_codes, std::string_view version)
    : impl_(std::make_unique<Impl>()) {
    for (const auto code : error_codes) impl_->errors.Add({{"code", std::string(code)}});
    impl_->download_results.Add({{"result", "ok"}});
    gauge(impl_->registry, "hotmic_build_info", "Always 1").Add({{"version", std::string(version)}}).Set(1);
}
Metrics::~Metrics() = default;

void Metrics::Impl::observe(prometheus::Family<prometheus::Histogram>& family, const prometheus::Labels& labels,
                            const Buckets& buckets, double value, const TraceReference& trace) {
    family.Add(labels, buckets).Observe(value);
    const auto bucket = std::ranges::lower_bound(buckets, value);
    exemplars.keep(family.GetName(), labels,
                   bucket == buckets.end() ? std::numeric_limits<double>::infinity() : *bucket, value, trace);
}

void Metrics::request(std::string_view route, int status, Seconds took, const TraceReference& trace) {
    impl_->requests.Add({{"route", std::string(route)}, {"status", std::to_string(status)}}).Increment();
    impl_->observe(impl_->durations, {{"route", std::string(route)}}, kSeconds, took.count(), trace);
}

void Metrics::request_of_key(std::string_view key, int status) {
    const Lock lock(impl_->keys_mutex);
    auto& counted = impl_->of_keys[std::string(key)].requests[std::to_string(status)];
    if (counted == nullptr)
        counted = &impl_->key_requests.Add({{"key", std::string(key)}, {"status", std::to_string(status)}});
    counted->Increment();
}

void Metrics::audio_of_key(std::string_view key, Seconds heard) {
    const Lock lock(impl_->keys_mutex);
    auto& audio = impl_->of_keys[std::string(key)].audio;
    if (audio == nullptr) audio = &impl_->key_audio.Add({{"key", std::string(key)}});
    audio->Increment(heard.count());
}

void Metrics::keys(const std::vector<KeyGauges>& all) {
    const Lock lock(impl_->keys_mutex);
    auto gone = std::exchange(impl_->of_keys, {});
    for (const auto& each : all) {
        auto& told = impl_->of_keys[each.key];
        if (auto before = gone.extract(each.key)) told = std::move(before.mapped());
        const prometheus::Labels labels{{"key", each.key}};
        if (told.audio == nullptr) told.audio = &impl_->key_audio.Add(labels);
        if (told.expires != nullptr) impl_->key_expires.Remove(std::exchange(told.expires, nullptr));
        if (each.expires == 0) continue;
        told.expires = &impl_->key_expires.Add(labels);
        told.expires->Set(each.expires);
    }
    for (const auto& [key, told] : gone) {
        for (const auto& [status, counted] : told.requests) impl_->key_requests.Remove(counted);
        if (told.audio != nullptr) impl_->key_audio.Remove(told.audio);
        if (told.expires != nullptr) impl_->key_expires.Remove(told.expires);
    }
}

void Metrics::error(std::string_view code) {
    impl_->errors.Add({{"code", std::string(code)}}).Increment();
}

void Metrics::recognition(std::string_view model, Seconds queued, Seconds inference, Seconds audio,
                          const TraceReference& trace) {
    const prometheus::Labels labels{{"model", std::string(model)}};
    impl_->observe(impl_->queued, labels, kSeconds, queued.count(), trace);
    impl_->observe(impl_->inference, labels, kSeconds, inference.count(), trace);
    if (audio > Seconds::zero()) impl_->observe(impl_->factor, labels, kFactors, inference / audio, trace);
    impl_->audio.Add(labels).Increment(audio.count());
}

void Metrics::decoding(std::string_view model, const std::map<std::string, int>& events, Seconds uncovered) {
    for (const auto& [event, count] : events)
        impl_->decoding.Add({{"model", std::string(model)}, {"event", event}}).Increment(count);
    impl_->uncovered.Add({{"model", std::string(model)}}).Increment(uncovered.count());
}

void Metrics::detection(std::string_view model, double probability) {
    impl_->detections.Add({{"model", std::string(model)}}, kProbabilities).Observe(probability);
}

void Metrics::replayed(std::string_view model) {
    impl_->replays.Add({{"model", std::string(model)}}).Increment();
}

void Metrics::in_flight(int change) {
    impl_->in_flight.Increment(change);
}

void Metrics::models(const std::vector<ModelGauges>& all) {
    const Lock lock(impl_->models_mutex);
    auto gone = std::exchange(impl_->of_models, {});
    for (const auto& each : all) {
        impl_->set_model(each);
        gone.erase(each.model);
    }
    for (const auto& [model, told] : gone) {
        for (const auto& [family, gauge] : told) family->Remove(gauge);
    }
}

void Metrics::Impl::set_model(const ModelGauges& gauges) {
    const prometheus::Labels labels{{"model", gauges.model}};
    auto& told = of_models[gauges.model];
    const auto set = [&](auto& family, const prometheus::Labels& which, double value) {
        auto& gauge = family.Add(which);
        gauge.Set(value);
        told.emplace_back(&family, &gauge);
    };
    for (const auto each : gauges.all_states)
        set(state, {{"model", gauges.model}, {"state", std::string(each)}}, each == gauges.state ? 1 : 0);
    replays.Add(labels);  // from the start, so that its first increase shows
    set(load, labels, gauges.load_time.count());
    set(warmup, labels, gauges.warmup_time.count());
    set(resident, labels, gauges.resident_bytes);
    set(slots, {{"model", gauges.model}, {"use", "busy"}}, gauges.slots_busy);
    set(slots, {{"model", gauges.model}, {"use", "free"}}, gauges.slots - gauges.slots_busy);
    set(waiting, labels, gauges.waiting);
    set(first, labels, gauges.first_request_ratio);
    set(transitions, labels, static_cast<double>(gauges.transitions));
}

void Metrics::live(const LiveGauges& gauges) {
    impl_->live_streams.Set(gauges.streams);
    for (const auto& [level, threshold] : gauges.thresholds) {
        const prometheus::Labels labels{{"level", std::string(level)}};
        impl_->live_level.Add(labels).Set(level == gauges.level ? 1 : 0);
        impl_->live_threshold.Add(labels).Set(threshold.count());
    }
    impl_->live_lateness.Set(gauges.lateness.count());
    impl_->live_backlog.Set(gauges.backlog.count());
    impl_->live_dropped.Set(gauges.dropped.count());
}

void Metrics::certificate(double expires) {
    impl_->certificate.Set(expires);
}

void Metrics::decoders(const DecoderGauges& gauges) {
    impl_->decoders.Set(gauges.running);
    impl_->decoders_begun.Set(gauges.begun);
    for (const auto& [cause, count] : gauges.lost) impl_->decoders_lost.Add({{"cause", cause}}).Set(count);
    impl_->decoders_replaced.Set(gauges.replaced);
}

void Metrics::connections(const ConnectionGauges& gauges) {
    impl_->connections.Set(gauges.open);
    impl_->turned_away.Add({{"kind", "new"}}).Set(gauges.refused);
    impl_->turned_away.Add({{"kind", "idle"}}).Set(gauges.evicted);
    impl_->buffered.Set(gauges.buffered_bytes);
    impl_->most_buffered.Set(gauges.max_buffered_bytes);
    impl_->buffer_refusals.Set(gauges.buffer_refusals);
    impl_->spooled.Set(gauges.spooled_bytes);
    impl_->most_spooled.Set(gauges.max_spooled_bytes);
    impl_->spool_refusals.Set(gauges.spool_refusals);
}

void Metrics::downloads(const DownloadFigures& figures) {
    impl_->downloads.Set(figures.under_way);
    impl_->download_done.Set(figures.done_bytes);
    impl_->download_size.Set(figures.total_bytes);
    impl_->download_rate.Set(figures.bytes_per_second);
    const Lock lock(impl_->raising_mutex);
    raise(impl_->downloaded, figures.received_bytes);
    for (const auto& [result, count] : figures.results)
        raise(impl_->download_results.Add({{"result", result}}), static_cast<double>(count));
}

void Metrics::spans(std::uint64_t exported, std::uint64_t failed) {
    const Lock lock(impl_->raising_mutex);
    raise(impl_->spans.Add({{"result", "exported"}}), static_cast<double>(exported));
    raise(impl_->spans.Add({{"result", "failed"}}), static_cast<double>(failed));
}

void Metrics::jobs(const JobGauges& gauges) {
    for (const auto& [status, count] : gauges.jobs) impl_->jobs.Add({{"status", status}}).Set(count);
    impl_->jobs_oldest.Set(gauges.oldest_queued.count());
    impl_->jobs_bytes.Set(gauges.bytes);
    impl_->deliveries_pending.Set(gauges.pending_deliveries);
    const Lock lock(impl_->raising_mutex);
    for (const auto& [result, count] : gauges.deliveries)
        raise(impl_->deliveries.Add({{"result", result}}), static_cast<double>(count));
}

std::string Metrics::text() const {
    return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

std::string Metrics::open_metrics() const {
    return telemetry::open_metrics(impl_->registry.Collect(), impl_->exemplars);
}

}  // namespace hotmic::telemetry
