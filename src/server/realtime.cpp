/// WebSocket /v1/realtime: who may open a session of the Realtime API.
#include "server/realtime_session.hpp"

#include <memory>
#include <utility>

#include "hotmic/error.hpp"
#include "server/clients.hpp"
#include "server/context.hpp"
#include "server/http/router.hpp"
#include "server/http/socket.hpp"
#include "server/keys.hpp"
#include "server/live_input.hpp"

namespace hotmic::server {

void add_realtime_routes(http::Router& router, Context& context) {
    const auto open = [&context](const std::shared_ptr<Socket>& socket,
                                 const RequestPtr& request) -> std::shared_ptr<SocketSession> {
        auto session = std::make_shared<RealtimeSession>(context, socket, request->id);
        if (auto known = context.keys.authorize_socket(*request, Scope::transcribe); !known) {
            session->refuse_connection(known.error(), Close::policy);
            return nullptr;
        }
        if (context.refusing) {
            session->refuse_connection({ErrorCode::shutting_down, "the server is shutting down"}, Close::going_away);
            return nullptr;
        }
        auto share = context.keys.begin(*request, Clients::What::stream);
        if (!share) {
            session->refuse_connection(share.error(), Close::try_later);
            return nullptr;
        }
        note_opened(context, *request);
        session->begin(request->parameter("model"), *std::move(share));
        return session;
    };
    router.add({.pattern = "/v1/realtime", .open = http::listed(context.sockets, open), .subprotocol = "realtime"});
}

}  // namespace hotmic::server
