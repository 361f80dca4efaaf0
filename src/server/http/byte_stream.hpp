/// Inside of listeners: a connection's bytes, as they are or within TLS.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/websocket/teardown.hpp>
#include <cstddef>
#include <memory>
#include <utility>

namespace hotmic::http {

/// Of TCP, or of a path.
using RawSocket = boost::asio::generic::stream_protocol::socket;

/// A model of the event library's AsyncStream, so that WebSockets go over it. On one loop only.
class ByteStream {
public:
    using executor_type = RawSocket::executor_type;
    using error_code = boost::system::error_code;

    /// `tls`: null for bytes as they are; otherwise `async_handshake` comes first.
    ByteStream(RawSocket socket, std::shared_ptr<boost::asio::ssl::context> tls)
        : socket_(std::make_unique<RawSocket>(std::move(socket))), context_(std::move(tls)) {
        if (context_) tls_ = std::make_unique<boost::asio::ssl::stream<RawSocket&>>(*socket_, *context_);
    }

    [[nodiscard]] executor_type get_executor() noexcept { return socket_->get_executor(); }
    [[nodiscard]] RawSocket& socket() noexcept { return *socket_; }
    [[nodiscard]] bool is_secure() const noexcept { return tls_ != nullptr; }

    /// `handler`: void(error_code).
    template <class Handler>
    void async_handshake(Handler handler) {
        tls_->async_handshake(boost::asio::ssl::stream_base::server, std::move(handler));
    }
    /// Tells the other side that nothing more comes, within TLS, and waits until it says so, too. `handler`:
    /// void(error_code).
    template <class Handler>
    void async_shutdown(Handler handler) {
        tls_->async_shutdown(std::move(handler));
    }

    template <class Buffers, class Handler>
    void async_read_some(const Buffers& buffers, Handler&& handler) {
        auto counted = [this, handler = std::forward<Handler>(handler)](const error_code& ec,
                                                                        std::size_t bytes) mutable {
            taken_ += bytes;
            std::move(handler)(ec, bytes);
        };
        if (tls_)
            tls_->async_read_some(buffers, std::move(counted));
        else
            socket_->async_read_some(buffers, std::move(counted));
    }
    template <class Buffers, class Handler>
    void async_write_some(const Buffers& buffers, Handler&& handler) {
        if (tls_)
            tls_->async_write_some(buffers, std::forward<Handler>(handler));
        else
            socket_->async_write_some(buffers, std::forward<Handler>(handler));
    }

    /// Bytes that came in since the last call.
    [[nodiscard]] std::size_t take_count() noexcept { return std::exchange(taken_, 0); }

private:
    std::unique_ptr<RawSocket> socket_;
    std::shared_ptr<boost::asio::ssl::context> context_;  // outlives what is made of it
    std::unique_ptr<boost::asio::ssl::stream<RawSocket&>> tls_;
    std::size_t taken_ = 0;
};

// What the WebSocket library asks of a stream that is not its own; found by their argument.

inline void beast_close_socket(ByteStream& stream) {
    boost::system::error_code ignored;
    stream.socket().close(ignored);
}

template <class Handler>
void async_teardown(boost::beast::role_type role, ByteStream& stream, Handler&& handler) {
    if (stream.is_secure()) return stream.async_shutdown(std::forward<Handler>(handler));
    boost::beast::websocket::async_teardown(role, stream.socket(), std::forward<Handler>(handler));
}

}  // namespace hotmic::http
