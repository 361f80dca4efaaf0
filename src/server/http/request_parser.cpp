#include "server/http/request_parser.hpp"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <format>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "hotmic/error.hpp"
#include "server/http/fields.hpp"
#include "server/http/limits.hpp"

namespace hotmic::http {
namespace {

namespace beast = boost::beast;
using beast::http::field;

/// Of all chunks of a body together.
constexpr std::size_t kMostExtensions = 16 << 10;
/// Nobody sends chunks of a byte, and each costs more than it carries.
constexpr std::size_t kSmallChunk = 16;
constexpr std::size_t kMostSmallChunks = 10'000;

}  // namespace

struct RequestParser::Impl final : beast::http::basic_parser<true> {
    Impl(const Limits& bounds, OnBody body_reader) : limits(bounds), on_body(std::move(body_reader)) {
        header_limit(static_cast<std::uint32_t>(limits.max_header_bytes));
        body_limit(boost::none);  // what a body may be depends on who takes it
    }

    void refuse(beast::error_code& ec, ErrorCode code, std::string message) {
        refusal = Error{code, std::move(message)};
        ec = beast::http::error::bad_field;
    }

    void on_request_impl(beast::http::verb, beast::string_view method, beast::string_view target, int version,
                         beast::error_code&) override {
        head.method = method;
        head.target = target;
        head.is_http_10 = version < 11;
    }

    void on_field_impl(field name, beast::string_view name_text, beast::string_view value,
                       beast::error_code& ec) override {
        if (++fields > limits.max_header_fields) {
            return refuse(ec, ErrorCode::headers_too_large,
                          std::format("the request has over {} header fields", limits.max_header_fields));
        }
        head.bytes += name_text.size() + value.size() + 4;
        if (name == field::content_length && (std::exchange(has_length, true) || value.contains(',')))
            return refuse(ec, ErrorCode::invalid_request, "the request has more than one Content-Length");
        if (name == field::host && std::exchange(has_host, true))
            return refuse(ec, ErrorCode::invalid_request, "the request has more than one Host");
        if (name == field::transfer_encoding && !same_name(value, "chunked")) {
            return refuse(ec, ErrorCode::invalid_request,
                          "the request's Transfer-Encoding is not chunked, the only one that is taken");
        }
        head.headers.add(name_text, value);
    }

    void on_header_impl(beast::error_code& ec) override {
        const auto host = head.headers.get("host");
        if ((!head.is_http_10 && !has_host) || !is_host(host))
            return refuse(ec, ErrorCode::invalid_request,
                          has_host ? "the request's Host is no host" : "the request has no Host");
        head.keep_alive = keep_alive();
        head.has_body = !is_done();
        if (const auto length = content_length(); length && !chunked()) head.content_length = *length;
    }

    void on_body_init_impl(const boost::optional<std::uint64_t>&, beast::error_code&) override {}

    std::size_t on_body_impl(beast::string_view body, beast::error_code&) override {
        on_body(body);
        return body.size();
    }

    void on_chunk_header_impl(std::uint64_t size, beast::string_view extension, beast::error_code& ec) override {
        extensions += extension.size();
        if (extensions > kMostExtensions)
            return refuse(ec, ErrorCode::invalid_request, "the body's chunk extensions are too long");
        if (size > 0 && size < kSmallChunk && ++small_chunks > kMostSmallChunks)
            refuse(ec, ErrorCode::invalid_request, "the body comes in too many tiny chunks");
    }

    std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, beast::error_code&) override {
        on_body(body);
        return body.size();
    }

    void on_trailer_field_impl(field, beast::string_view, beast::string_view, beast::error_code& ec) override {
        if (++fields > 2 * limits.max_header_fields)
            refuse(ec, ErrorCode::headers_too_large, "the request has too many trailer fields");
    }

    void on_response_impl(int, beast::string_view, int, beast::error_code&) override {}
    void on_finish_impl(beast::error_code&) override {}

    /// Host, and a port where there is one; HTTP/1.1 allows none at all where a target has none.
    static bool is_host(std::string_view host) {
        return std::ranges::all_of(host, [](unsigned char c) {
            constexpr std::string_view kMarks = "-._~%!$&'()*+,;=:[]";
            return std::isalnum(c) != 0 || kMarks.contains(static_cast<char>(c));
        });
    }

    const Limits limits;
    const OnBody on_body;
    RequestHead head;
    std::optional<Error> refusal;
    std::size_t fields = 0;
    std::size_t extensions = 0;
    std::size_t small_chunks = 0;
    bool has_length = false;
    bool has_host = false;
};

RequestParser::RequestParser(const Limits& limits, OnBody on_body)
    : impl_(std::make_unique<Impl>(limits, std::move(on_body))) {}
RequestParser::~RequestParser() = default;

Result<std::size_t> RequestParser::feed(std::string_view bytes) {
    std::size_t used = 0;
    while (used < bytes.size() && !done()) {
        const bool had_head = head_done();
        beast::error_code ec;
        used += impl_->put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), ec);
        if (impl_->refusal) return std::unexpected(*impl_->refusal);
        if (ec == beast::http::error::need_more) break;
        if (ec == beast::http::error::header_limit) {
            return fail(ErrorCode::headers_too_large,
                        std::format("the request's header is over {} bytes", impl_->limits.max_header_bytes),
                        "send fewer or shorter header fields");
        }
        if (ec) return fail(ErrorCode::invalid_request, "the request is not HTTP/1.1 by RFC 9112: " + ec.message());
        if (!had_head && head_done()) break;
    }
    return used;
}

bool RequestParser::head_done() const noexcept {
    return impl_->is_header_done();
}
bool RequestParser::done() const noexcept {
    return impl_->is_done();
}
RequestHead& RequestParser::head() noexcept {
    return impl_->head;
}

}  // namespace hotmic::http
