/// The live page at / and what it is made of (web/), compiled in.
#pragma once

#include <drogon/HttpRequest.h>
#include <drogon/HttpResponse.h>

namespace hotmic::server {

/// True for a browser that shows a page to somebody; programs get JSON at the same address.
[[nodiscard]] bool wants_page(const drogon::HttpRequestPtr& request);

/// The page; 304 where the client has it already.
[[nodiscard]] drogon::HttpResponsePtr respond_page(const drogon::HttpRequestPtr& request);

/// Registers the page's script, style and icon with the HTTP library. Nobody needs a key for them: they are the same
/// everywhere.
void register_page_parts();

}  // namespace hotmic::server
