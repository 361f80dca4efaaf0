#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/error.hpp>
#include <cstddef>
#include <memory>
#include <utility>

#include "hotmic/error.hpp"
#include "server/http/body_readers.hpp"
#include "server/http/connection.hpp"
#include "server/http/dispatch.hpp"
#include "server/http/message.hpp"
#include "server/http/over_budget.hpp"
#include "server/http/request_target.hpp"
#include "server/http/websocket.hpp"

namespace hotmic::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

/// The other side says that nothing more comes; within TLS it may leave that out.
bool is_end(const error_code& ec) {
    return ec == asio::error::eof || ec == asio::ssl::error::stream_truncated;
}

}  // namespace

void Connection::read() {
    if (reading_ || phase_ == Phase::closed) return;
    switch (in_.make_room()) {
        case ReceiveBuffer::Room::made:
            break;
        case ReceiveBuffer::Room::full:  // the parser takes or refuses what fills the buffer
            return refuse({ErrorCode::headers_too_large, "a line of the request is too long"});
        case ReceiveBuffer::Room::no_room:
            return refuse(over_budget());
    }
    reading_ = true;
    stream_.async_read_some(asio::buffer(in_.free().data(), in_.free().size()),
                            [self = shared_from_this()](const error_code& ec, std::size_t bytes) {
                                self->reading_ = false;
                                self->received(ec, bytes);
                            });
}

void Connection::received(const error_code& ec, std::size_t bytes) {
    if (phase_ == Phase::closed) return;
    if (ec) {
        if (phase_ != Phase::body || !is_end(ec)) return close();
        return end_body({ErrorCode::invalid_request, "the body ended early"});  // it may still read
    }
    heard_ = Clock::now();
    if (phase_ == Phase::lingering) return drop();
    in_.received(bytes);
    advance();
}

void Connection::advance() {
    while (phase_ == Phase::head || phase_ == Phase::body) {
        if (phase_ == Phase::head && began_ == Clock::time_point{}) {
            skip_empty_lines();
            if (!in_.empty()) began_ = Clock::now();
        }
        if (in_.empty()) return read();
        const auto fed = parser_->feed(in_.bytes());
        if (!fed) {
            if (phase_ == Phase::body) return end_body(fed.error());
            return refuse(fed.error());
        }
        in_.use(*fed);
        if (phase_ == Phase::head) {
            if (!parser_->head_done()) return read();
            take_head();
            continue;
        }
        if (wants_no_more_) {
            phase_ = Phase::answering;
            return;
        }
        if (parser_->done()) return finish_body();
        if (*fed == 0) return read();
    }
}

void Connection::skip_empty_lines() {
    while (empty_lines_ < 2 && in_.bytes().starts_with("\r\n")) {
        in_.use(2);
        ++empty_lines_;
    }
}

void Connection::deliver(std::string_view bytes) {
    received_ += bytes.size();
    if (reader_ && !wants_no_more_) wants_no_more_ = !reader_->take(bytes);
}

void Connection::finish_body() {
    phase_ = Phase::answering;
    if (reader_) std::exchange(reader_, nullptr)->finish();
}

void Connection::end_body(const Error& error) {
    phase_ = Phase::answering;
    if (reader_ && !wants_no_more_) std::exchange(reader_, nullptr)->fail(error);
}

void Connection::take_head() {
    idle_since_ = 0;
    auto& head = parser_->head();
    request_ = std::make_shared<Request>();
    auto& request = *request_;
    request.method_name = head.method;
    request.method = method_of(head.method);
    request.headers = std::move(head.headers);
    request.host = request.headers.get("host");
    request.peer = peer_;
    request.from_this_machine = local_;
    request.client = weak_from_this();
    request.began = began_;
    keep_alive_ = head.keep_alive;
    is_http_10_ = head.is_http_10;
    phase_ = Phase::answering;
    if (!set_target(request, head.target)) {
        keep_alive_ = false;
        return refuse({ErrorCode::invalid_request, "the request's target is neither a path nor an http URL"});
    }
    hand_over(head);
}

void Connection::hand_over(const RequestHead& head) {
    auto found = dispatch(service_, request_, head, {.reserved = place_->reserved(), .followed = !in_.empty()});
    out_share_.emplace(service_.budget, found.purpose);
    if (found.closes) keep_alive_ = false;
    if (found.answer) return respond_at_once(*std::move(found.answer));
    const auto& route = *found.route;
    if (route.open) {
        phase_ = Phase::closed;  // here; it goes on there
        return upgrade(std::move(stream_), loop_, std::move(place_), std::exchange(request_, nullptr), route, service_);
    }
    reader_ = route.receive ? route.receive(request_, responder()) : reader_for(route, service_, request_, responder());
    if (!reader_) return;  // it has answered
    if (!head.has_body) return finish_body();
    phase_ = Phase::body;
    began_ = Clock::now();
    if (!is_http_10_ && in_.empty() && request_->headers.has("expect")) send("HTTP/1.1 100 Continue\r\n\r\n");
}

}  // namespace hotmic::http
