/// A stretch of time in the life of a request or a model, as OpenTelemetry understands it.
/// https://opentelemetry.io/docs/specs/otel/trace/api/
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "hotmic/error.hpp"

namespace hotmic::tracing {

using Clock = std::chrono::steady_clock;

/// A handle; copies are of the same span, which ends when the last is gone or `end` is called, whichever is first. A
/// handle made by default is of no span: everything it is asked to do is nothing, at the cost of a comparison.
/// Thread-safe.
class Span {
public:
    using Value = std::variant<std::string_view, std::int64_t, double, bool>;

    Span() = default;

    [[nodiscard]] explicit operator bool() const noexcept { return node_ != nullptr; }

    /// A part of this one.
    [[nodiscard]] Span child(std::string_view name, Clock::time_point began = Clock::now()) const;
    /// Keys are those of OpenTelemetry's semantic conventions where there is one, else begin with "hotmic.".
    void set(std::string_view key, Value value) const;
    /// It ended with this error.
    void fail(const Error& error) const;
    /// Later calls do nothing.
    void end(Clock::time_point at = Clock::now()) const;

    /// 32 and 16 hexadecimal digits; empty where nothing is recorded, because nobody looks or this trace is not
    /// sampled.
    [[nodiscard]] std::string trace_id() const;
    [[nodiscard]] std::string span_id() const;

private:
    friend class Traces;
    struct Node;
    explicit Span(std::shared_ptr<const Node> node) : node_(std::move(node)) {}

    std::shared_ptr<const Node> node_;
};

}  // namespace hotmic::tracing
