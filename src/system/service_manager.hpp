/// What systemd gives a service, and is told by it: sd_notify(3), sd_listen_fds(3). Where no service manager has
/// started the process, nothing is given and nobody is told.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "hotmic/error.hpp"

namespace hotmic::system {

/// A socket that the service manager has opened for us.
struct InheritedSocket {
    int descriptor = -1;
    std::string name{};  ///< FileDescriptorName=; by default that of the socket unit
};

/// The sockets that were passed. Children do not get them, and a second call finds none: call it once, before any
/// thread exists. Errors: config_invalid.
[[nodiscard]] Result<std::vector<InheritedSocket>> take_inherited_sockets();

/// Somebody wants to be told.
[[nodiscard]] bool has_service_manager();

/// Tells it lines like "READY=1"; a manager that has gone is none of our business. Never blocks for long.
void tell_service_manager(const std::string& lines);

/// Without a WATCHDOG=1 within each such time it ends the service. Zero: it does not.
[[nodiscard]] std::chrono::microseconds watchdog_interval();

}  // namespace hotmic::system
