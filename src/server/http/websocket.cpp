#include "server/http/websocket.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <format>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "server/http/budget.hpp"
#include "server/http/byte_stream.hpp"
#include "server/http/door.hpp"
#include "server/http/fields.hpp"
#include "server/http/limits.hpp"
#include "server/http/listener.hpp"
#include "server/http/loop.hpp"
#include "server/http/message.hpp"
#include "server/http/outbox.hpp"
#include "server/http/router.hpp"
#include "server/http/socket.hpp"

namespace hotmic::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using boost::system::error_code;

constexpr std::size_t kFirstBuffer = 4 << 10;
/// How long the other side may take to agree to a close.
constexpr std::chrono::seconds kCloseTime{2};
/// Bytes a second that need not belong to a message that ends: pings, and what they are wrapped in.
constexpr double kIdleRate = 64 << 10;
constexpr std::size_t kMostReason = 120;

class WebSocket final : public SocketTransport,
                        public Ticking,
                        public Door::Guest,
                        public std::enable_shared_from_this<WebSocket> {
public:
    WebSocket(ByteStream stream, Loop& loop, std::unique_ptr<Door::Place> place, RequestPtr request, const Route& route,
              const Service& service)
        : stream_(std::move(stream)),
          loop_(loop),
          place_(std::move(place)),
          request_(std::move(request)),
          route_(route),
          service_(service),
          share_(service.budget) {}

    void start() {
        place_->sit(weak_from_this());
        loop_.watch(shared_from_this());
        const auto idle = std::max(service_.limits.idle_timeout, Limits::milliseconds(1000));
        stream_.set_option(websocket::stream_base::timeout{
            .handshake_timeout = service_.limits.header_timeout, .idle_timeout = idle, .keep_alive_pings = true});
        // Of what is absurd only: what is over the limit is refused below. The library closes without reading what
        // comes meanwhile, and by that its reason is lost on the way.
        stream_.read_message_max(4 * service_.limits.max_message_bytes);
        stream_.auto_fragment(false);

        Response response{.status = 101};
        const auto offered = offered_subprotocols(*request_);
        // A browser ends a connection where it offers some and none is chosen.
        if (!route_.subprotocol.empty() && std::ranges::contains(offered, route_.subprotocol))
            response.headers.set("Sec-WebSocket-Protocol", route_.subprotocol);
        service_.hooks.complete(*request_, response);
        stream_.set_option(
            websocket::stream_base::decorator([headers = response.headers](websocket::response_type& answer) {
                for (const auto& [name, value] : headers) answer.set(name, value);
            }));

        beast::http::request<beast::http::string_body> asked{beast::http::verb::get, request_->target, 11};
        for (const auto& [name, value] : request_->headers) asked.insert(name, value);
        stream_.async_accept(asked, [self = shared_from_this()](const error_code& ec) { self->accepted(ec); });
    }

    void send(std::string text) override {
        if (closing_ || over_) return;
        const auto put = out_.put(std::move(text));
        if (put == Outbox::Put::first) return write();
        if (put == Outbox::Put::waiting) return;
        spdlog::warn("websocket closed: {}, request={} unread_bytes={}",
                     put == Outbox::Put::unread ? "the client does not read" : "too many bytes are held for clients",
                     request_->id, out_.unread());
        end();
    }

    void close(Close code, std::string reason) override {
        if (closing_ || over_) return;
        reason.resize(std::min(reason.size(), kMostReason));
        closing_ = websocket::close_reason(static_cast<websocket::close_code>(code), reason);
        close_by_ = Clock::now() + kCloseTime;
        idle_since_ = now();
        if (out_.empty()) shake_hands();
    }

    void hold() override { ++holds_; }
    void go_on() override {
        if (--holds_ > 0 || over_) return;
        forget_message();
        read();
    }

    bool tick() override {
        if (!over_) look();
        return !over_;
    }

    [[nodiscard]] std::int64_t idle_since() const noexcept override { return idle_since_; }
    void leave() override {
        idle_since_ = 0;
        loop_.post([weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->end();
        });
    }

private:
    void look() {
        const auto time = Clock::now();
        if (closing_ && time > close_by_) return end();
        if (out_.stuck(service_.limits.idle_timeout)) return end();
        if (filled_ > 0 &&
            time - began_ > service_.limits.body_timeout + Seconds(static_cast<double>(filled_) / kLeastRate))
            return close(Close::policy, "the message came too slowly");
        const double allowed = kIdleRate * to_s(kTick);
        loose_ = std::max(0.0, loose_ + static_cast<double>(stream_.next_layer().take_count()) - allowed);
        if (loose_ > static_cast<double>(service_.limits.max_message_bytes + (1u << 20)))
            close(Close::too_big, "the message never ends");
    }

    static std::int64_t now() { return Clock::now().time_since_epoch().count(); }

    void accepted(const error_code& ec) {
        if (ec) return end();
        socket_ = std::make_shared<Socket>(weak_from_this(), loop_, request_->peer);
        session_ = route_.open(socket_, request_);
        read();
    }

    void read() {
        if (reading_ || over_ || holds_ > 0) return;
        if (out_.is_full()) return;  // again when it has been read
        constexpr std::size_t kLeastRoom = 1 << 10;
        if (in_.size() - filled_ < kLeastRoom) {
            const auto size =
                std::clamp(in_.size() * 2, kFirstBuffer, service_.limits.max_message_bytes + kFirstBuffer);
            if (!share_.grow(size - in_.size()))
                return close(Close::try_later, "the server holds too many bytes for clients");
            in_.resize(size);
        }
        reading_ = true;
        stream_.async_read_some(asio::buffer(in_.data() + filled_, in_.size() - filled_),
                                [self = shared_from_this()](const error_code& ec, std::size_t bytes) {
                                    self->reading_ = false;
                                    self->take(ec, bytes);
                                });
    }

    void take(const error_code& ec, std::size_t bytes) {
        if (over_) return;
        if (ec) {
            // A close of ours ends it; its own, or a violation, has been answered by the library.
            return closing_ && ec == websocket::error::closed ? void() : end();
        }
        if (filled_ == 0) began_ = Clock::now();
        filled_ += bytes;
        if (filled_ > service_.limits.max_message_bytes) {
            filled_ = 0;
            return close(Close::too_big,
                         std::format("the message is over {} bytes", service_.limits.max_message_bytes));
        }
        if (stream_.is_message_done()) {
            loose_ = 0;
            (void)stream_.next_layer().take_count();
            const std::string_view message(in_.data(), std::exchange(filled_, 0));
            if (session_ && !closing_) {
                stream_.got_text() ? session_->on_text(message) : session_->on_binary(message);
            }
            if (holds_ == 0) forget_message();
        }
        read();
    }

    void forget_message() {
        constexpr std::size_t kMostKept = 64 << 10;
        if (in_.size() <= kMostKept) return;
        share_.shrink(in_.size());
        in_ = {};
    }

    void write() {
        stream_.text(true);
        stream_.async_write(asio::buffer(out_.front()),
                            [self = shared_from_this()](const error_code& ec, std::size_t) { self->written(ec); });
    }

    void written(const error_code& ec) {
        if (over_) return;
        if (ec) return end();
        out_.sent();
        if (!out_.empty()) return write();
        if (closing_) return shake_hands();
        read();
    }

    void shake_hands() {
        stream_.async_close(*closing_, [self = shared_from_this()](const error_code&) { self->end(); });
    }

    void end() {
        if (std::exchange(over_, true)) return;
        error_code ignored;
        stream_.next_layer().socket().close(ignored);
        if (socket_) socket_->gone();
        session_.reset();
        share_ = {};
        place_.reset();
    }

    websocket::stream<ByteStream> stream_;
    Loop& loop_;
    std::unique_ptr<Door::Place> place_;
    const RequestPtr request_;
    const Route& route_;
    const Service& service_;
    Budget::Share share_;
    std::shared_ptr<Socket> socket_;
    std::shared_ptr<SocketSession> session_;
    std::vector<char> in_;
    std::size_t filled_ = 0;  // of `in_`, by the message that comes
    Outbox out_{share_};
    double loose_ = 0;  // bytes that came since the last whole message, beyond kIdleRate
    std::optional<websocket::close_reason> closing_;
    Clock::time_point began_{};  // of the message that comes
    Clock::time_point close_by_{};
    std::atomic<std::int64_t> idle_since_{0};
    int holds_ = 0;  // of the message in `in_`
    bool reading_ = false;
    bool over_ = false;
};

}  // namespace

Result<void> check_upgrade(const Request& request) {
    const auto holds = [&](std::string_view field, std::string_view value) {
        return std::ranges::any_of(list_of(request.header(field)), [&](auto each) { return same_name(each, value); });
    };
    if (!holds("upgrade", "websocket") || !holds("connection", "upgrade")) {
        return fail(ErrorCode::upgrade_required, request.path + " is a WebSocket, and the request asks for none",
                    "open it as ws://; a proxy has to pass the headers Upgrade and Connection on");
    }
    if (request.header("sec-websocket-version") != "13")
        return fail(ErrorCode::upgrade_required, "only version 13 of WebSocket is spoken",
                    "send Sec-WebSocket-Version: 13");
    constexpr std::size_t kKeyLength = 24;  // of 16 bytes in base64
    if (request.header("sec-websocket-key").size() != kKeyLength)
        return fail(ErrorCode::invalid_request, "Sec-WebSocket-Key is not 16 bytes in base64");
    return {};
}

void upgrade(ByteStream stream, Loop& loop, std::unique_ptr<Door::Place> place, RequestPtr request, const Route& route,
             const Service& service) {
    std::make_shared<WebSocket>(std::move(stream), loop, std::move(place), std::move(request), route, service)->start();
}

}  // namespace hotmic::http
