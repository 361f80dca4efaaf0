#include "tracing/traces.hpp"

#include <opentelemetry/exporters/otlp/otlp_http_exporter_factory.h>
#include <opentelemetry/exporters/otlp/otlp_http_exporter_options.h>
#include <opentelemetry/sdk/common/global_log_handler.h>
#include <opentelemetry/sdk/resource/resource.h>
#include <opentelemetry/sdk/resource/resource_detector.h>
#include <opentelemetry/sdk/trace/batch_span_processor_factory.h>
#include <opentelemetry/sdk/trace/batch_span_processor_options.h>
#include <opentelemetry/sdk/trace/exporter.h>
#include <opentelemetry/sdk/trace/samplers/parent_factory.h>
#include <opentelemetry/sdk/trace/samplers/trace_id_ratio_factory.h>
#include <opentelemetry/sdk/trace/tracer_provider.h>
#include <opentelemetry/sdk/trace/tracer_provider_factory.h>
#include <opentelemetry/trace/context.h>
#include <opentelemetry/trace/propagation/http_trace_context.h>
#include <opentelemetry/trace/span.h>
#include <opentelemetry/trace/tracer.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "hotmic/error.hpp"
#include "tracing/span.hpp"

namespace hotmic::tracing {

namespace otel = opentelemetry;
using std::chrono::system_clock;

namespace {

constexpr std::chrono::seconds kLastBatches{2};

std::string_view environment(const char* name) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody here changes the environment
    return value == nullptr ? std::string_view{} : std::string_view(value);
}

otel::nostd::string_view view(std::string_view text) {
    return {text.data(), text.size()};
}

/// The library's words are about collectors that cannot be reached, again and again.
class Log final : public otel::sdk::common::internal_log::LogHandler {
public:
    void Handle(otel::sdk::common::internal_log::LogLevel level, const char* /*file*/, int /*line*/,
                const char* message, const otel::sdk::common::AttributeMap& /*attributes*/) noexcept override {
        using Level = otel::sdk::common::internal_log::LogLevel;
        const bool serious = level == Level::Error || level == Level::Warning;
        spdlog::log(serious ? spdlog::level::warn : spdlog::level::debug, "traces: {}", message);
    }
};

/// Counts what another exporter did with spans.
class Counting final : public otel::sdk::trace::SpanExporter {
public:
    struct Counts {
        std::atomic<std::uint64_t> exported{0};
        std::atomic<std::uint64_t> failed{0};
    };
    Counting(std::unique_ptr<SpanExporter> exporter, std::shared_ptr<Counts> counts)
        : exporter_(std::move(exporter)), counts_(std::move(counts)) {}

    std::unique_ptr<otel::sdk::trace::Recordable> MakeRecordable() noexcept override {
        return exporter_->MakeRecordable();
    }
    otel::sdk::common::ExportResult Export(
        const otel::nostd::span<std::unique_ptr<otel::sdk::trace::Recordable>>& spans) noexcept override {
        const auto size = spans.size();
        const auto result = exporter_->Export(spans);
        (result == otel::sdk::common::ExportResult::kSuccess ? counts_->exported : counts_->failed) += size;
        return result;
    }
    bool ForceFlush(std::chrono::microseconds timeout) noexcept override { return exporter_->ForceFlush(timeout); }
    bool Shutdown(std::chrono::microseconds timeout) noexcept override { return exporter_->Shutdown(timeout); }

private:
    std::unique_ptr<SpanExporter> exporter_;
    std::shared_ptr<Counts> counts_;
};

class Headers final : public otel::context::propagation::TextMapCarrier {
public:
    Headers(std::string_view traceparent, std::string_view tracestate)
        : traceparent_(traceparent), tracestate_(tracestate) {}
    [[nodiscard]] otel::nostd::string_view Get(otel::nostd::string_view key) const noexcept override {
        if (key == otel::trace::propagation::kTraceParent) return view(traceparent_);
        if (key == otel::trace::propagation::kTraceState) return view(tracestate_);
        return {};
    }
    void Set(otel::nostd::string_view /*key*/, otel::nostd::string_view /*value*/) noexcept override {}

private:
    std::string_view traceparent_;
    std::string_view tracestate_;
};

/// One moment by two clocks: ours, and the one that others have, too. The spans of a trace share it, so that none seems
/// to begin before another one ended.
struct Moment {
    Clock::time_point steady = Clock::now();
    system_clock::time_point wall = system_clock::now();
};

otel::trace::StartSpanOptions options_of(Clock::time_point began, const Moment& known, otel::trace::SpanKind kind) {
    otel::trace::StartSpanOptions options;
    options.start_steady_time = otel::common::SteadyTimestamp(began);
    options.start_system_time = otel::common::SystemTimestamp(
        known.wall + std::chrono::duration_cast<system_clock::duration>(began - known.steady));
    options.kind = kind;
    return options;
}

otel::sdk::resource::Resource resource_of(const std::string& version) {
    otel::sdk::resource::ResourceAttributes attributes{{"service.version", version}};
    const auto given = otel::sdk::resource::OTELResourceDetector().Detect().GetAttributes();
    if (!given.contains("service.name")) attributes["service.name"] = std::string("hotmic");
    return otel::sdk::resource::Resource::Create(attributes);
}

/// Whether the environment, as OpenTelemetry's programs read it, wants traces of whoever can make them.
bool is_asked_for() {
    if (environment("OTEL_SDK_DISABLED") == "true" || environment("OTEL_TRACES_EXPORTER") == "none") return false;
    return !environment("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").empty() ||
           !environment("OTEL_EXPORTER_OTLP_ENDPOINT").empty();
}

template <int kSize, typename Id>
std::string hex_of(const Id& id) {
    std::array<char, kSize> digits{};
    id.ToLowerBase16(otel::nostd::span<char, kSize>(digits));
    return {digits.data(), digits.size()};
}

}  // namespace

struct Span::Node {
    Moment known;
    otel::nostd::shared_ptr<otel::trace::Tracer> tracer;
    otel::nostd::shared_ptr<otel::trace::Span> span;
};

Span Span::child(std::string_view name, Clock::time_point began) const {
    if (!node_) return {};
    auto options = options_of(began, node_->known, otel::trace::SpanKind::kInternal);
    options.parent = node_->span->GetContext();
    return Span(std::make_shared<Node>(node_->known, node_->tracer, node_->tracer->StartSpan(view(name), options)));
}

void Span::set(std::string_view key, Value value) const {
    if (!node_) return;
    std::visit(
        [&](const auto& plain) {
            if constexpr (std::is_same_v<std::decay_t<decltype(plain)>, std::string_view>)
                node_->span->SetAttribute(view(key), view(plain));
            else
                node_->span->SetAttribute(view(key), plain);
        },
        value);
}

void Span::fail(const Error& error) const {
    if (!node_) return;
    set("error.type", to_string(error.code));
    node_->span->SetStatus(otel::trace::StatusCode::kError, view(error.message));
}

void Span::end(Clock::time_point at) const {
    if (!node_) return;
    node_->span->End({.end_steady_time = otel::common::SteadyTimestamp(at)});
}

std::string Span::trace_id() const {
    if (!node_ || !node_->span->GetContext().IsSampled()) return {};
    return hex_of<32>(node_->span->GetContext().trace_id());
}

std::string Span::span_id() const {
    if (!node_ || !node_->span->GetContext().IsSampled()) return {};
    return hex_of<16>(node_->span->GetContext().span_id());
}

struct Traces::Impl {
    std::shared_ptr<Counting::Counts> counts = std::make_shared<Counting::Counts>();
    std::shared_ptr<otel::sdk::trace::TracerProvider> provider;
    otel::nostd::shared_ptr<otel::trace::Tracer> tracer;
};

Traces::Traces(const Settings& settings) {
    if (settings.endpoint.empty() && !is_asked_for()) return;
    otel::sdk::common::internal_log::GlobalLogHandler::SetLogHandler(
        otel::nostd::shared_ptr<otel::sdk::common::internal_log::LogHandler>(new Log));
    otel::exporter::otlp::OtlpHttpExporterOptions options;
    if (!settings.endpoint.empty()) options.url = settings.endpoint;
    impl_ = std::make_unique<Impl>();
    auto exporter =
        std::make_unique<Counting>(otel::exporter::otlp::OtlpHttpExporterFactory::Create(options), impl_->counts);
    impl_->provider = otel::sdk::trace::TracerProviderFactory::Create(
        otel::sdk::trace::BatchSpanProcessorFactory::Create(std::move(exporter), {}), resource_of(settings.version),
        otel::sdk::trace::ParentBasedSamplerFactory::Create(
            otel::sdk::trace::TraceIdRatioBasedSamplerFactory::Create(settings.sample_ratio)));
    impl_->tracer = impl_->provider->GetTracer("hotmic", settings.version);
    spdlog::info("traces go to {}", options.url);
}

Traces::~Traces() {
    if (impl_) impl_->provider->Shutdown(kLastBatches);
}

Span Traces::of_request(std::string_view name, std::string_view traceparent, std::string_view tracestate,
                        Clock::time_point began) const {
    if (!impl_) return {};
    const Moment now;
    auto options = options_of(began, now, otel::trace::SpanKind::kServer);
    otel::context::Context nothing;
    options.parent = otel::trace::GetSpan(otel::trace::propagation::HttpTraceContext().Extract(
                                              Headers(traceparent, tracestate), nothing))
                         ->GetContext();
    return Span(std::make_shared<Span::Node>(now, impl_->tracer, impl_->tracer->StartSpan(view(name), options)));
}

Span Traces::begin(std::string_view name, Clock::time_point began) const {
    if (!impl_) return {};
    const Moment now;
    const auto options = options_of(began, now, otel::trace::SpanKind::kInternal);
    return Span(std::make_shared<Span::Node>(now, impl_->tracer, impl_->tracer->StartSpan(view(name), options)));
}

Traces::Counts Traces::counts() const noexcept {
    if (!impl_) return {};
    return {.exported = impl_->counts->exported, .failed = impl_->counts->failed};
}

}  // namespace hotmic::tracing
