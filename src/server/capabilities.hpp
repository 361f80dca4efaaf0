/// The body of GET /capabilities: this machine, its providers, and which model was chosen for it and why. EchoPanel's
/// fields, and more.
#pragma once

#include <string>

#include "server/context.hpp"

namespace hotmic::server {

[[nodiscard]] std::string capabilities_json(const Context& context);

}  // namespace hotmic::server
