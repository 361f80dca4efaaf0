/// Inside of listeners: a connection that has become a WebSocket.
#pragma once

#include <memory>
#include <optional>

#include "server/http/port.hpp"

namespace hotmic::http {

/// Whether the request asks for a WebSocket in a way that can be honoured. Errors: upgrade_required, invalid_request.
[[nodiscard]] Result<void> check_upgrade(const Request& request);

/// Answers 101 and goes on as a WebSocket. `route` and `service` outlive the connection.
void upgrade(ByteStream stream, Loop& loop, std::unique_ptr<Door::Place> place, RequestPtr request, const Route& route,
             const Service& service);

}  // namespace hotmic::http
