/// Requests as they come from a socket, without one.
#pragma once

#include <string>

#include "server/http/message.hpp"

namespace hotmic::server {

inline http::Request request_with(const std::string& header = {}, const std::string& value = {}) {
    http::Request request;
    if (!value.empty()) request.headers.add(header, value);
    return request;
}

}  // namespace hotmic::server
