/// The ports a server answers on: those that a service manager has opened for it, else those of its configuration.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "hotmic/error.hpp"
#include "server/http/listener.hpp"
#include "server/http/loop.hpp"

namespace hotmic::server {

/// A socket that is listened on for us, and what it is called. "wyoming" is for the Wyoming protocol; "http", the name
/// of the socket unit and none at all are for HTTP.
struct PassedSocket {
    int descriptor = -1;
    std::string name{};
};

struct Ports {
    std::vector<http::Port> http{};     ///< at least one
    std::vector<http::Port> wyoming{};  ///< of the Wyoming protocol, where it is served
    std::optional<http::Port> admin{};  ///< of `server.admin_listen`
    std::string authority{};            ///< of the first of HTTP: "HOST:PORT"
};

/// A protocol for which sockets were passed is served on these alone; the other one, and else both, as configured, as
/// administration is.
/// Errors: config_invalid, address_in_use, io_error.
[[nodiscard]] Result<Ports> open_ports(http::Loops& loops, const config::Server& server,
                                       const std::vector<PassedSocket>& passed);

}  // namespace hotmic::server
