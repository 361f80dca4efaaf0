/// Responses in the shapes clients expect: JSON, text, and OpenAI's error object.
#pragma once

#include <drogon/HttpRequest.h>
#include <drogon/HttpResponse.h>

#include <optional>
#include <string>

#include "hotmic/error.hpp"
#include "hotmic/model_manager.hpp"

namespace hotmic::server {

using Respond = std::function<void(const drogon::HttpResponsePtr&)>;

[[nodiscard]] drogon::HttpResponsePtr respond_json(std::string body, int status = 200);
[[nodiscard]] drogon::HttpResponsePtr respond_text(std::string body, std::string_view content_type, int status = 200);

/// {"error":{"message","type","param","code"}} with the status of the error table; logged with the request's id.
/// `retry_after`: whole seconds for the Retry-After header.
[[nodiscard]] drogon::HttpResponsePtr respond_error(const Error& error, const drogon::HttpRequestPtr& request,
                                                    std::optional<int> retry_after = {});

/// The body of that, for where it is not a response of its own. Not logged.
[[nodiscard]] std::string error_json(const Error& error);

/// Seconds a client of a model that is not ready should wait: what is known of its progress, at least 1.
[[nodiscard]] int retry_after(const Health& health);

/// The id of a request: the client's X-Request-Id where it is sane (1 to 128 of letters, digits, ._-), else one of
/// ours. Always the same for the same request.
[[nodiscard]] std::string request_id(const drogon::HttpRequestPtr& request);

}  // namespace hotmic::server
