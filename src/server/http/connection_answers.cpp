#include <boost/asio/buffer.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "hotmic/error.hpp"
#include "server/http/budget.hpp"
#include "server/http/connection.hpp"
#include "server/http/message.hpp"
#include "server/http/over_budget.hpp"
#include "server/http/respond_once.hpp"
#include "server/http/response_writer.hpp"

namespace hotmic::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

/// A body of so many bytes leaves together with the answer's head.
constexpr std::size_t kSentWithHead = 4 << 10;

}  // namespace

void Connection::refuse(const Error& error) {
    if (answered_) return close();
    if (error.code == ErrorCode::server_busy) keep_alive_ = false;
    if (phase_ == Phase::head) {
        keep_alive_ = false;  // where the next request would begin is not known
        phase_ = Phase::answering;
        idle_since_ = 0;
    }
    respond_at_once(service_.hooks.failure(error, request_.get()));
}

void Connection::respond_at_once(Response response) {
    phase_ = Phase::answering;
    answer(exchange_, std::move(response));
}

Respond Connection::responder() {
    return respond_once([weak = weak_from_this(), number = exchange_](std::optional<Response> response) {
        const auto self = weak.lock();
        if (!self) return;
        self->loop_.post([self, number, response = std::move(response)]() mutable {
            if (self->phase_ == Phase::closed || number != self->exchange_) return;
            if (!response) response = self->defect();
            self->answer(number, *std::move(response));
        });
    });
}

Response Connection::defect() const {
    return service_.hooks.failure({ErrorCode::internal, "the request was not answered"}, request_.get());
}

void Connection::answer(std::uint64_t exchange, Response response) {
    if (exchange != exchange_ || answered_ || phase_ == Phase::closed) return;
    answered_ = true;
    if (phase_ == Phase::body) {
        wants_no_more_ = true;
        phase_ = Phase::answering;
    }
    // What is left of the body would be taken for the next request.
    if (!parser_->done()) keep_alive_ = false;
    if (!out_share().grow(response.body.size())) {
        response = service_.hooks.failure(over_budget(), request_.get());
        out_share().insist(response.body.size());
        keep_alive_ = false;
    }
    if (request_) service_.hooks.complete(*request_, response);
    const bool is_head = request_ && request_->method == Method::head;
    framing_ = {.keep_alive = keep_alive_,
                .is_http_10 = is_http_10_,
                .is_chunked = response.stream && keep_alive_ && !is_http_10_};
    if (response.stream && !framing_.is_chunked) framing_.keep_alive = keep_alive_ = false;
    auto head = head_of(response, framing_);
    const bool has_body = !is_head && may_have_body(response.status);
    if (has_body && response.stream) body_ = std::move(response.stream);
    if (has_body && response.body.size() <= kSentWithHead) {
        send(std::move(head) + response.body);
    } else {
        send(std::move(head));
        if (has_body && !response.body.empty()) send(std::move(response.body));
    }
}

void Connection::pull() {
    auto piece = body_();
    const bool last = piece.last;
    if (last) body_ = nullptr;
    if (auto bytes = framed(std::move(piece), framing_); !bytes.empty()) return send(std::move(bytes));
    if (last) answered();
}

Budget::Share& Connection::out_share() {
    if (!out_share_) out_share_.emplace(service_.budget);
    return *out_share_;
}

void Connection::send(std::string bytes) {
    if (out_.put(std::move(bytes))) write();
}

void Connection::write() {
    stream_.async_write_some(
        asio::buffer(out_.front()),
        [self = shared_from_this()](const error_code& ec, std::size_t bytes) { self->written(ec, bytes); });
}

void Connection::written(const error_code& ec, std::size_t bytes) {
    if (phase_ == Phase::closed) return;
    if (ec) return close();
    out_.sent(bytes);
    if (!out_.empty()) return write();
    if (answered_ && !body_) answered();
}

void Connection::answered() {
    out_share_.reset();
    if (keep_alive_) return begin();
    linger();
}

}  // namespace hotmic::http
