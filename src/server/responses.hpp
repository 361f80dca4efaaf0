/// Responses in the shapes clients expect: JSON, text, and OpenAI's error object.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "hotmic/error.hpp"
#include "hotmic/health.hpp"
#include "server/http/message.hpp"
#include "telemetry/exemplars.hpp"
#include "tracing/span.hpp"

namespace hotmic::server {

using http::RequestPtr;
using http::Respond;
using http::Response;

[[nodiscard]] Response respond_json(std::string body, int status = 200);
[[nodiscard]] Response respond_text(std::string body, std::string_view content_type, int status = 200);

/// {"error":{"message","type","param","code"}} with the status of the error table; logged with the request's id.
/// `request`: null where none could be read. `retry_after`: whole seconds for the Retry-After header.
[[nodiscard]] Response respond_error(const Error& error, const http::Request* request,
                                     std::optional<int> retry_after = {});

/// The body of that, for where it is not a response of its own. Not logged.
[[nodiscard]] std::string error_json(const Error& error);

/// Seconds a client of a model that is not ready should wait: what is known of its progress, at least 1.
[[nodiscard]] int retry_after(const Health& health);

/// What a metric says of who raised it.
[[nodiscard]] telemetry::TraceReference reference_to(const tracing::Span& span);

/// The client's X-Request-Id where it is sane (1 to 128 of letters, digits, ._-), else a new one of ours.
[[nodiscard]] std::string make_request_id(std::string_view sent);

}  // namespace hotmic::server
