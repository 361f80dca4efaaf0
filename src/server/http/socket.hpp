/// WebSockets: https://www.rfc-editor.org/rfc/rfc6455
///
/// All of one connection's life, what others post to it included, happens on the loop of that connection. So a session
/// needs no locks.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/http/loop.hpp"
#include "server/http/message.hpp"
#include "system/mutex.hpp"

namespace hotmic::http {

/// Close codes by what they mean.
enum class Close : std::uint16_t {
    done = 1000,
    going_away = 1001,
    policy = 1008,  ///< it may not come in
    too_big = 1009,
    failed = 1011,     ///< our fault
    try_later = 1013,  ///< there is no room now
};

/// The subprotocols that a client offers, in its order.
[[nodiscard]] std::vector<std::string> offered_subprotocols(const Request& request);

/// What carries a socket's messages. On the connection's loop only.
class SocketTransport {
public:
    SocketTransport() = default;
    SocketTransport(const SocketTransport&) = delete;
    SocketTransport& operator=(const SocketTransport&) = delete;
    virtual ~SocketTransport() = default;

    virtual void send(std::string text) = 0;
    virtual void close(Close code, std::string reason) = 0;
    /// The message that is being told stays where it is and no other is read, until `go_on` was called as often.
    virtual void hold() = 0;
    virtual void go_on() = 0;
};

/// One connection. `send`, `close` and `post` may be called from any thread.
class Socket : public std::enable_shared_from_this<Socket> {
public:
    Socket(std::weak_ptr<SocketTransport> transport, Loop& loop, std::string peer)
        : transport_(std::move(transport)), loop_(loop), peer_(std::move(peer)) {}
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    void send(std::string text);
    /// What was sent before still arrives.
    void close(Close code, std::string reason);
    /// Runs `task` on the connection's loop, unless the connection is gone by then.
    void post(std::function<void()> task);
    /// The message that is being told stays where it is, and no other is read, until the last copy of what this gives
    /// is gone, wherever that happens. Call on the loop, from within `on_text` and `on_binary` or while one is held.
    [[nodiscard]] std::shared_ptr<void> hold();
    /// The address of the other side.
    [[nodiscard]] const std::string& peer() const noexcept { return peer_; }
    /// `post`, for somebody who may outlive this.
    [[nodiscard]] std::function<void(std::function<void()>)> poster();
    /// Runs `task` on the connection's loop, again and again until the connection is gone. Call on that loop.
    void every(std::chrono::milliseconds period, std::function<void()> task);

    /// The connection is gone: no task runs any more. Called on the loop.
    void gone();

private:
    const std::weak_ptr<SocketTransport> transport_;
    Loop& loop_;
    const std::string peer_;
    std::vector<Loop::Timer> timers_;
    bool open_ = true;  // the loop's
};

/// What a protocol makes of a connection. Called on the connection's loop only.
class SocketSession {
public:
    SocketSession() = default;
    SocketSession(const SocketSession&) = delete;
    SocketSession& operator=(const SocketSession&) = delete;
    virtual ~SocketSession() = default;

    virtual void on_text(std::string_view text) = 0;
    virtual void on_binary(std::string_view bytes) = 0;
    /// The server ends: say what there is to say and close.
    virtual void on_shutdown() = 0;
};

/// Every session there is, of sockets and of other streams, so that a server that ends can tell them.
class SocketSessions {
public:
    struct Entry {
        std::weak_ptr<void> session;
        std::function<void()> shut_down;  ///< may be called by any thread and at any time
    };
    void add(Entry entry);
    void shut_down();
    [[nodiscard]] std::size_t size() const;

private:
    mutable Mutex mutex_;
    std::list<Entry> entries_ HOTMIC_GUARDED_BY(mutex_);
};

/// Makes the session of a new connection; null where it has been refused and closed.
using OpenSession =
    std::function<std::shared_ptr<SocketSession>(const std::shared_ptr<Socket>& socket, const RequestPtr& request)>;

/// `open`, and its sessions are in `sessions`, which has to outlive the server's run.
[[nodiscard]] OpenSession listed(SocketSessions& sessions, OpenSession open);

}  // namespace hotmic::http
