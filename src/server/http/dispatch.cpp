#include "server/http/dispatch.hpp"

#include <format>
#include <optional>
#include <string>
#include <utility>

#include "hotmic/error.hpp"
#include "server/http/budget.hpp"
#include "server/http/fields.hpp"
#include "server/http/limits.hpp"
#include "server/http/listener.hpp"
#include "server/http/message.hpp"
#include "server/http/over_budget.hpp"
#include "server/http/request_parser.hpp"
#include "server/http/router.hpp"
#include "server/http/websocket.hpp"

namespace hotmic::http {
namespace {

/// There is no such path, or it has not this method.
Response no_route(const Service& service, const Request& request, const Router::Match& match) {
    const bool any = request.method == Method::options && request.path == "*";
    if (match.methods.empty() && !any) {
        return service.hooks.failure(
            {ErrorCode::not_found, std::format("no such path: {} {}", request.method_name, request.path),
             "GET / lists what there is"},
            &request);
    }
    std::string allowed = "OPTIONS";
    for (const auto method : match.methods) {
        if (method != Method::options) allowed += std::format(", {}", to_string(method));
        if (method == Method::get) allowed += ", HEAD";
    }
    Response response{.status = 204};
    if (request.method != Method::options) {
        response = service.hooks.failure(
            {ErrorCode::method_not_allowed,
             std::format("the path exists, the method does not: {} {}", request.method_name, request.path)},
            &request);
    }
    response.headers.set("Allow", allowed);
    return response;
}

/// Why the request cannot become a WebSocket, where it cannot.
std::optional<Response> no_websocket(const Service& service, const Request& request, const RequestHead& head,
                                     bool followed) {
    auto possible = check_upgrade(request);
    if (possible && (head.is_http_10 || head.has_body || followed)) {
        possible = fail(ErrorCode::invalid_request,
                        "a request for a WebSocket has no body, and nothing follows it before it is answered");
    }
    if (possible) return std::nullopt;
    auto response = service.hooks.failure(possible.error(), &request);
    if (possible.error().code == ErrorCode::upgrade_required) {
        response.headers.set("Upgrade", "websocket");
        response.headers.set("Connection", "Upgrade");
        response.headers.set("Sec-WebSocket-Version", "13");
    }
    return response;
}

/// What the head says of the body is more than the route takes.
std::optional<Error> too_large(const Route& route, const RequestHead& head) {
    const auto length = head.content_length.value_or(0);
    if (route.most_body > 0 && length > route.most_body)
        return Error{ErrorCode::body_too_large, std::format("the body is over {} bytes", route.most_body)};
    if (!route.receive && route.most_body == 0 && length > kMostDropped)
        return Error{ErrorCode::body_too_large, "this request takes no body", "send none"};
    return std::nullopt;
}

}  // namespace

Dispatch dispatch(const Service& service, const RequestPtr& request, const RequestHead& head, Circumstances where) {
    auto match = service.router.find(request->method, request->path);
    if (match.route != nullptr) {
        request->route = match.route->pattern;
        request->captures = std::move(match.captures);
    }
    // OPTIONS costs no more, and load balancers probe with it.
    const bool is_probe = request->method == Method::options || (match.route != nullptr && match.route->is_probe);
    const auto purpose = is_probe ? Budget::For::probes : Budget::For::anything;
    const auto answer = [&](Response response) { return Dispatch{.answer = std::move(response), .purpose = purpose}; };
    const auto refuse = [&](const Error& error) {
        auto refused = answer(service.hooks.failure(error, request.get()));
        refused.closes = error.code == ErrorCode::server_busy;
        return refused;
    };

    request->share = Budget::Share(service.budget, purpose);
    if (!request->share.grow(head.bytes)) return refuse(over_budget());
    if (auto given = service.hooks.admit(request, match)) return answer(*std::move(given));
    if (where.reserved && !is_probe) {
        return refuse({ErrorCode::server_busy,
                       std::format("there are {} connections already", service.limits.max_connections),
                       "try again later, or raise server.max_connections"});
    }
    if (match.route == nullptr) return answer(no_route(service, *request, match));
    const auto& route = *match.route;
    if (const auto expects = request->header("expect"); !expects.empty() && !same_name(expects, "100-continue"))
        return refuse({ErrorCode::expectation_failed, "the only Expect that is taken is 100-continue"});
    if (route.check) {
        if (auto given = route.check(request)) return answer(*std::move(given));
    }
    if (route.open) {
        if (auto refused = no_websocket(service, *request, head, where.followed)) return answer(*std::move(refused));
    } else if (const auto why = too_large(route, head)) {
        return refuse(*why);
    }
    return {.route = &route, .purpose = purpose};
}

}  // namespace hotmic::http
