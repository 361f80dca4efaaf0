/// WebSocket /ws/live-listener: who may open a session of EchoPanel's live captions.
#include "server/echopanel_session.hpp"

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

void add_echopanel_routes(http::Router& router, Context& context) {
    const auto open = [&context](const std::shared_ptr<Socket>& socket,
                                 const RequestPtr& request) -> std::shared_ptr<SocketSession> {
        auto session = std::make_shared<LiveListener>(context, socket, request->id);
        if (auto known = context.keys.authorize_socket(*request, Scope::transcribe); !known) {
            context.metrics.error(to_string(known.error().code));
            session->refuse("Unauthorized websocket connection", Close::policy);
            return nullptr;
        }
        if (context.refusing) {
            session->refuse("the server is shutting down", Close::going_away);
            return nullptr;
        }
        auto share = context.keys.begin(*request, Clients::What::stream);
        if (!share) {
            context.metrics.error(to_string(share.error().code));
            session->refuse(share.error().message, Close::try_later);
            return nullptr;
        }
        note_opened(context, *request);
        session->begin(*std::move(share));
        return session;
    };
    router.add({.pattern = "/ws/live-listener", .open = http::listed(context.sockets, open)});
}

}  // namespace hotmic::server
