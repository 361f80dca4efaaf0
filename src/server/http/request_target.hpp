/// The target of a request's first line: what is asked for (RFC 9112, 3.2).
#pragma once

#include <string_view>

#include "server/http/message.hpp"

namespace hotmic::http {

/// Sets the request's target, path and query and, where the target names one, its host. False where the target is
/// neither a path nor an http URL, nor OPTIONS' `*`.
[[nodiscard]] bool set_target(Request& request, std::string_view target);

}  // namespace hotmic::http
