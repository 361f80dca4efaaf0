/// The live page at / and what it is made of (web/), compiled in.
#pragma once

#include "server/http/message.hpp"
#include "server/http/router.hpp"

namespace hotmic::server {

/// True for a browser that shows a page to somebody; programs get JSON at the same address.
[[nodiscard]] bool wants_page(const http::Request& request);

/// The page; 304 where the client has it already.
[[nodiscard]] http::Response respond_page(const http::Request& request);

/// Adds the page's script, style and icon. Nobody needs a key for them: they are the same everywhere.
void add_page_routes(http::Router& router);

}  // namespace hotmic::server
