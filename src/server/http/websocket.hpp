/// Inside of listeners: a connection that has become a WebSocket.
#pragma once

#include <memory>

#include "hotmic/error.hpp"
#include "server/http/byte_stream.hpp"
#include "server/http/door.hpp"
#include "server/http/listener.hpp"
#include "server/http/loop.hpp"
#include "server/http/message.hpp"
#include "server/http/router.hpp"

namespace hotmic::http {

/// Whether the request asks for a WebSocket in a way that can be honoured. Errors: upgrade_required, invalid_request.
[[nodiscard]] Result<void> check_upgrade(const Request& request);

/// Answers 101 and goes on as a WebSocket. `route` and `service` outlive the connection.
void upgrade(ByteStream stream, Loop& loop, std::unique_ptr<Door::Place> place, RequestPtr request, const Route& route,
             const Service& service);

}  // namespace hotmic::http
