/// Answers as bytes (RFC 9112).
#pragma once

#include <string>

#include "server/http/message.hpp"

namespace hotmic::http {

/// How an answer is told where it ends, and whether another may follow it.
struct Framing {
    bool keep_alive = true;
    bool is_http_10 = false;  ///< of the request
    bool is_chunked = false;
};

/// 204 and 304 have none whatever the method is.
[[nodiscard]] bool may_have_body(int status) noexcept;

/// The status line and the fields, with those that the framing adds, to the empty line.
[[nodiscard]] std::string head_of(const Response& response, const Framing& framing);

/// A piece of an answer's body, as it is sent; empty where there is nothing to say.
[[nodiscard]] std::string framed(Piece piece, const Framing& framing);

}  // namespace hotmic::http
