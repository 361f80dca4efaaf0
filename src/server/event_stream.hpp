/// Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/message.hpp"

namespace hotmic::server {

inline constexpr std::string_view kEventStreamType = "text/event-stream";

struct ServerEvent {
    std::string id{};     ///< a client that comes back names the last one it has seen; empty: none
    std::string event{};  ///< what kind
    std::string data{};   ///< one line of JSON
};

/// Gives what has happened since it was asked last; `last` is set when nothing more will. Called several times a second
/// on the connection's loop: must not block.
using NextEvents = std::function<std::vector<ServerEvent>(bool& last)>;

/// A response that stays open and sends what `next` gives, until it gives the last or the client goes away. A comment
/// now and then keeps proxies from closing a silent stream.
[[nodiscard]] http::Response respond_events(NextEvents next);

}  // namespace hotmic::server
