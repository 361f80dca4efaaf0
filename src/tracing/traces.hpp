/// Where spans are made and sent from: OpenTelemetry's C++ library, by OTLP over HTTP.
/// https://opentelemetry.io/docs/specs/otlp/
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "tracing/span.hpp"

namespace hotmic::tracing {

struct Settings {
    /// Whole URL of a collector, e.g. "http://127.0.0.1:4318/v1/traces". Empty: what OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
    /// or OTEL_EXPORTER_OTLP_ENDPOINT say; nothing is traced where they are unset too, or OTEL_SDK_DISABLED=true or
    /// OTEL_TRACES_EXPORTER=none. All else (headers, certificates, timeouts, the batches' sizes, resource attributes)
    /// is as the variables of OpenTelemetry say.
    std::string endpoint{};
    double sample_ratio = 1;  ///< of traces that begin here; a caller that says whether its trace is sampled is heeded
    std::string version{};    ///< of this program
};

/// Spans wait in a queue of bounded length for a thread that sends them in batches; a collector that is away costs
/// spans, never requests. Thread-safe.
class Traces {
public:
    explicit Traces(const Settings& settings);
    /// Sends what waits, for at most two seconds.
    ~Traces();
    Traces(const Traces&) = delete;
    Traces& operator=(const Traces&) = delete;

    /// Whether anything is traced at all.
    [[nodiscard]] bool on() const noexcept { return impl_ != nullptr; }

    /// A request that came over HTTP, under the span that its `traceparent` and `tracestate` name (W3C Trace Context);
    /// what is no such header is ignored, as the standard wants it.
    [[nodiscard]] Span of_request(std::string_view name, std::string_view traceparent, std::string_view tracestate,
                                  Clock::time_point began = Clock::now()) const;
    /// Something of our own.
    [[nodiscard]] Span begin(std::string_view name, Clock::time_point began = Clock::now()) const;

    /// How many spans left, and how many could not be sent, since the start.
    struct Counts {
        std::uint64_t exported = 0;
        std::uint64_t failed = 0;
    };
    [[nodiscard]] Counts counts() const noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;  // null: nothing is traced
};

}  // namespace hotmic::tracing
