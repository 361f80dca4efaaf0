/// The one answer where a budget has no room.
#pragma once

#include "hotmic/error.hpp"

namespace hotmic::http {

[[nodiscard]] inline Error over_budget() {
    return {ErrorCode::server_busy, "the server holds too many bytes for clients", "try again later"};
}

}  // namespace hotmic::http
