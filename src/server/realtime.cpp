/// WebSocket /v1/realtime: who may open a session of the Realtime API.
#include "server/admission.hpp"
#include "server/realtime_session.hpp"

namespace hotmic::server {
namespace {

/// A browser cannot set headers: it gives its key as a subprotocol, or in the URL.
Result<void> authorize_socket(const http::Request& request, const std::vector<std::string>& keys) {
    if (auto known = authorize(request, keys); known) return known;
    constexpr std::string_view kPrefix = "openai-insecure-api-key.";
    for (const std::string_view offered : http::offered_subprotocols(request)) {
        if (offered.starts_with(kPrefix)) return check_key(offered.substr(kPrefix.size()), keys);
    }
    return check_key(request.parameter("api_key"), keys);
}

}  // namespace

void add_realtime_routes(http::Router& router, Context& context) {
    const auto open = [&context](const std::shared_ptr<Socket>& socket,
                                 const RequestPtr& request) -> std::shared_ptr<SocketSession> {
        auto session = std::make_shared<RealtimeSession>(context, socket, request->id);
        if (auto known = authorize_socket(*request, context.config.server.api_keys); !known) {
            session->refuse_connection(known.error(), Close::policy);
            return nullptr;
        }
        if (context.refusing) {
            session->refuse_connection({ErrorCode::shutting_down, "the server is shutting down"}, Close::going_away);
            return nullptr;
        }
        session->begin(request->parameter("model"));
        return session;
    };
    router.add({.pattern = "/v1/realtime", .open = http::listed(context.sockets, open), .subprotocol = "realtime"});
}

}  // namespace hotmic::server
