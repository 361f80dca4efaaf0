#include "server/responses.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <format>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include "hotmic/error.hpp"
#include "hotmic/health.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"
#include "server/http/message.hpp"
#include "telemetry/exemplars.hpp"
#include "text/json.hpp"
#include "text/utf8.hpp"

namespace hotmic::server {
namespace wire {

/// OpenAI's error object.
struct ErrorBody {
    std::string message;
    std::string type;
    std::optional<std::string> param;
    std::string code;
};
struct ErrorResponse {
    ErrorBody error;
};

}  // namespace wire

namespace {

bool is_sane_id(std::string_view id) {
    return !id.empty() && id.size() <= 128 && std::ranges::all_of(id, [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-';
    });
}

std::string new_id() {
    thread_local std::mt19937_64 random{std::random_device{}()};
    return std::format("req-{:016x}", random());
}

}  // namespace

Response respond_text(std::string body, std::string_view content_type, int status) {
    Response response{.status = status, .body = std::move(body)};
    response.headers.set("Content-Type", std::string(content_type));
    return response;
}

Response respond_json(std::string body, int status) {
    return respond_text(std::move(body), "application/json", status);
}

std::string error_json(const Error& error) {
    const auto& spec = spec_of(error.code);
    const wire::ErrorResponse body{
        {.message = valid_utf8(error.describe()),  // it may quote what a client sent
         .type = std::string(spec.openai_type),
         .param = error.param.empty() ? std::nullopt : std::optional(valid_utf8(error.param)),
         .code = std::string(spec.name)}};
    return to_json<JsonOptions{{.skip_null_members = false}}>(body);
}

Response respond_error(const Error& error, const http::Request* request, std::optional<int> retry_after) {
    const auto& spec = spec_of(error.code);
    auto response = respond_json(error_json(error), spec.http_status);
    if (retry_after) response.headers.set("Retry-After", std::to_string(*retry_after));
    response.headers.set("x-hotmic-error", std::string(spec.name));
    spdlog::log(spec.http_status >= 500 ? spdlog::level::warn : spdlog::level::info,
                "request failed request={} caller={} code={} status={} message={:?}",
                request != nullptr ? request->id : "-",
                request != nullptr && !request->caller.empty() ? request->caller : "-", spec.name, spec.http_status,
                error.message);
    if (request != nullptr && spec.http_status >= 500) request->span.fail(error);
    if (request != nullptr && spec.http_status < 500) request->span.set("error.type", spec.name);
    return response;
}

int retry_after(const Health& health) {
    const Seconds wait = health.eta.value_or(Seconds(health.state == ModelState::warming_up ? 2 : 5));
    return static_cast<int>(std::clamp(std::ceil(wait.count()), 1.0, 600.0));
}

telemetry::TraceReference reference_to(const tracing::Span& span) {
    return {.trace_id = span.trace_id(), .span_id = span.span_id()};
}

std::string make_request_id(std::string_view sent) {
    return is_sane_id(sent) ? std::string(sent) : new_id();
}

}  // namespace hotmic::server
