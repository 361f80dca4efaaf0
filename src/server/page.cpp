#include "server/page.hpp"

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "page_etags.hpp"
#include "server/http/message.hpp"
#include "server/http/router.hpp"
#include "server/responses.hpp"

namespace hotmic::server {
namespace {

constexpr unsigned char kHtml[] = {
#embed HOTMIC_PAGE_HTML
};
constexpr unsigned char kScript[] = {
#embed HOTMIC_PAGE_JS
};
constexpr unsigned char kWorklet[] = {
#embed HOTMIC_PAGE_WORKLET
};
constexpr unsigned char kStyle[] = {
#embed HOTMIC_PAGE_CSS
};
constexpr unsigned char kIcon[] = {
#embed HOTMIC_PAGE_ICON
};

struct Part {
    const char* path;
    const char* content_type;
    std::string_view etag;
    std::span<const unsigned char> body;
};

constexpr Part kPage{"/", "text/html; charset=utf-8", page_etags::html, kHtml};
constexpr std::array kParts{
    Part{"/page.js", "text/javascript; charset=utf-8", page_etags::js, kScript},
    Part{"/page-worklet.js", "text/javascript; charset=utf-8", page_etags::worklet, kWorklet},
    Part{"/page.css", "text/css; charset=utf-8", page_etags::css, kStyle},
    Part{"/page.svg", "image/svg+xml", page_etags::icon, kIcon},
};

/// Nothing from anywhere else, and nobody may frame it. A page that can only talk to its own server cannot leak what
/// is said to it.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'";

http::Response respond_part(const Part& part, const http::Request& request) {
    const bool known = request.header("if-none-match").contains(part.etag);
    auto response = respond_text(known ? std::string{} : std::string(part.body.begin(), part.body.end()),
                                 part.content_type, known ? 304 : 200);
    response.headers.set("ETag", std::string(part.etag));
    response.headers.set("Cache-Control", "no-cache");  // kept, and asked for each time: another version may be running
    response.headers.set("Content-Security-Policy", kPolicy);
    response.headers.set("X-Content-Type-Options", "nosniff");
    response.headers.set("Referrer-Policy", "no-referrer");
    return response;
}

}  // namespace

bool wants_page(const http::Request& request) {
    return request.header("accept").contains("text/html");
}

http::Response respond_page(const http::Request& request) {
    return respond_part(kPage, request);
}

void add_page_routes(http::Router& router) {
    for (const auto& part : kParts) {
        router.add({.pattern = part.path, .handle = [&part](const RequestPtr& request, const Respond& respond) {
                        respond(respond_part(part, *request));
                    }});
    }
}

}  // namespace hotmic::server
