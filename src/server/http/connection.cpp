#include "server/http/connection.hpp"

#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstddef>
#include <format>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "server/http/limits.hpp"
#include "server/http/listener.hpp"
#include "server/http/message.hpp"
#include "server/http/port.hpp"
#include "server/http/request_parser.hpp"

namespace hotmic::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t kBodyBuffer = 64 << 10;
/// After an answer that closes the connection: so long the client may go on sending what nobody reads, so that it gets
/// to read the answer instead of an error.
constexpr std::chrono::seconds kLinger{30};
constexpr std::chrono::seconds kLingerSilence{5};

bool is_plain_http(const error_code& ec) {
    return ec.category() == asio::error::get_ssl_category() &&
           ERR_GET_REASON(static_cast<unsigned long>(ec.value())) == SSL_R_HTTP_REQUEST;
}

}  // namespace

Connection::Connection(Accepted accepted, const Service& service)
    : stream_(std::move(accepted.socket), service.tls ? service.tls->context() : nullptr),
      loop_(accepted.loop),
      place_(std::move(accepted.place)),
      peer_(std::move(accepted.peer.address)),
      local_(accepted.peer.on_this_machine),
      service_(service),
      in_(service.budget, std::max(kBodyBuffer, service.limits.max_header_bytes + ReceiveBuffer::kSmall)) {}

void Connection::start() {
    keep_alive(stream_.socket());
    place_->sit(weak_from_this());
    loop_.watch(shared_from_this());
    stream_.is_secure() ? shake_hands() : begin();
}

void Connection::after(std::chrono::milliseconds time, std::function<void()> task) {
    loop_.after(time, [weak = weak_from_this(), task = std::move(task)] {
        if (const auto self = weak.lock(); self && self->phase_ != Phase::closed) task();
    });
}

void Connection::leave() {
    idle_since_ = 0;
    loop_.post([weak = weak_from_this()] {
        const auto self = weak.lock();
        if (self && self->makes_room()) self->close();
    });
}

void Connection::shake_hands() {
    phase_ = Phase::handshake;
    began_ = Clock::now();
    idle_since_ = began_.time_since_epoch().count();
    stream_.async_handshake([self = shared_from_this()](const error_code& ec) {
        if (self->phase_ == Phase::closed) return;
        if (!ec) return self->begin();
        if (is_plain_http(ec)) return self->refuse_plain_http();
        spdlog::debug("no TLS: peer={} why={:?}", self->peer_, ec.message());
        self->close();
    });
}

void Connection::refuse_plain_http() {
    static constexpr std::string_view kAnswer =
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 49\r\n"
        "connection: close\r\n\r\nThis port speaks TLS: ask with https:// or wss://";
    asio::async_write(stream_.socket(), asio::buffer(kAnswer),
                      [self = shared_from_this()](const error_code&, std::size_t) {
                          if (self->phase_ != Phase::closed) self->linger_raw();
                      });
}

void Connection::begin() {
    ++exchange_;
    request_.reset();
    reader_.reset();
    parser_ = std::make_unique<RequestParser>(service_.limits, [this](std::string_view bytes) { deliver(bytes); });
    answered_ = false;
    wants_no_more_ = false;
    received_ = 0;
    empty_lines_ = 0;
    began_ = {};
    heard_ = Clock::now();
    in_.shrink();
    phase_ = Phase::head;
    idle_since_ = heard_.time_since_epoch().count();
    advance();
}

void Connection::look() {
    const auto time = Clock::now();
    const auto& limits = service_.limits;
    switch (phase_) {
        case Phase::handshake:
            if (time - began_ > limits.header_timeout) close();
            break;
        case Phase::head:
            if (began_ == Clock::time_point{}) {
                if (time - heard_ > limits.idle_timeout) close();
            } else if (time - began_ > limits.header_timeout) {
                refuse({ErrorCode::client_too_slow,
                        std::format("the request's head did not come within {} ms", limits.header_timeout.count())});
            }
            break;
        case Phase::body:
            if (time - began_ <= limits.body_timeout) break;
            if (static_cast<double>(received_) < kLeastRate * to_s(time - began_))
                return end_body({ErrorCode::client_too_slow, "the body comes too slowly"});
            began_ = time;
            received_ = 0;
            break;
        case Phase::answering:
            if ((!answered_ || body_) && has_hung_up(stream_.socket())) close();
            break;
        case Phase::lingering:
            if (time > linger_until_ || time - heard_ > kLingerSilence) close();
            break;
        case Phase::closed:
            break;
    }
    if (phase_ == Phase::closed) return;
    if (out_.stuck(limits.idle_timeout)) return close();
    if (body_ && out_.empty()) pull();
}

void Connection::linger() {
    ++exchange_;
    request_.reset();
    reader_.reset();
    phase_ = Phase::lingering;
    in_.forget();
    heard_ = Clock::now();
    linger_until_ = heard_ + kLinger;
    idle_since_ = heard_.time_since_epoch().count();
    if (!stream_.is_secure()) return linger_raw();
    // The other side may still send, which ends this.
    stream_.async_shutdown([self = shared_from_this()](const error_code&) {
        if (self->phase_ == Phase::lingering) self->linger_raw();
    });
}

void Connection::linger_raw() {
    error_code ignored;
    auto& socket = stream_.socket();
    socket.shutdown(RawSocket::shutdown_send, ignored);
    if (phase_ == Phase::handshake) {
        heard_ = Clock::now();
        linger_until_ = heard_ + kLinger;
    }
    phase_ = Phase::lingering;
    drop();
}

void Connection::drop() {
    if (reading_) return;
    reading_ = true;
    stream_.socket().async_read_some(asio::buffer(in_.scratch().data(), in_.scratch().size()),
                                     [self = shared_from_this()](const error_code& ec, std::size_t) {
                                         self->reading_ = false;
                                         if (self->phase_ == Phase::closed) return;
                                         if (ec) return self->close();
                                         self->heard_ = Clock::now();
                                         self->drop();
                                     });
}

void Connection::close() {
    if (phase_ == Phase::closed) return;
    if (phase_ == Phase::body) end_body({ErrorCode::cancelled, "the client went away"});
    phase_ = Phase::closed;
    gone_ = true;
    idle_since_ = 0;
    error_code ignored;
    stream_.socket().close(ignored);
    body_ = nullptr;
    reader_.reset();
    request_.reset();
    out_share_.reset();
    in_.close();
    place_.reset();
}

void serve(Port& port, const Service& service) {
    auto& impl = port.impl();
    impl.door = &service.door;
    impl.take = [&service](Accepted accepted) { std::make_shared<Connection>(std::move(accepted), service)->start(); };
    impl.accept();
}

}  // namespace hotmic::http
