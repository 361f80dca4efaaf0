/// WebSockets: https://www.rfc-editor.org/rfc/rfc6455
///
/// All of one connection's life, what others post to it included, happens on the loop of that connection. So a session
/// needs no locks.
#pragma once

#include <drogon/HttpRequest.h>
#include <drogon/WebSocketConnection.h>
#include <trantor/net/EventLoop.h>

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace hotmic::server {

/// Close codes by what they mean.
enum class Close : std::uint16_t {
    done = 1000,
    going_away = 1001,
    policy = 1008,  ///< it may not come in
    too_big = 1009,
    failed = 1011,  ///< our fault
};

/// The subprotocols that a client offers, in its order.
[[nodiscard]] std::vector<std::string> offered_subprotocols(const drogon::HttpRequestPtr& request);

/// One connection. `send`, `close` and `post` may be called from any thread.
class Socket : public std::enable_shared_from_this<Socket> {
public:
    explicit Socket(drogon::WebSocketConnectionPtr connection);
    ~Socket();
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    void send(std::string_view text) const;
    /// What was sent before still arrives.
    void close(Close code, const std::string& reason) const;
    /// Runs `task` on the connection's loop, unless the connection is gone by then.
    void post(std::function<void()> task);
    /// The address of the other side.
    [[nodiscard]] std::string peer() const;
    /// `post`, for somebody who may outlive this.
    [[nodiscard]] std::function<void(std::function<void()>)> poster();
    /// Runs `task` on the connection's loop, again and again until the connection is gone. Call on that loop.
    void every(double seconds, std::function<void()> task);

    /// The connection is gone: no task runs any more. Called on the loop.
    void gone();

private:
    const drogon::WebSocketConnectionPtr connection_;
    trantor::EventLoop* const loop_;
    std::vector<trantor::TimerId> timers_;
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

/// Every session there is, so that a server that ends can tell them.
class SocketSessions {
public:
    struct Entry {
        std::weak_ptr<Socket> socket;
        std::weak_ptr<SocketSession> session;
    };
    void add(Entry entry);
    void shut_down();
    [[nodiscard]] std::size_t size() const;

private:
    mutable std::mutex mutex_;
    std::list<Entry> entries_;
};

/// Makes the session of a new connection; null where it has been refused and closed.
using OpenSession = std::function<std::shared_ptr<SocketSession>(const std::shared_ptr<Socket>& socket,
                                                                 const drogon::HttpRequestPtr& request)>;

// The routes there are. The HTTP library wants a type for each.
struct RealtimeRoute {
    static constexpr const char* kPath = "/v1/realtime";
    static constexpr const char* kSubprotocol = "realtime";
};
struct LiveListenerRoute {
    static constexpr const char* kPath = "/ws/live-listener";
    static constexpr const char* kSubprotocol = "";  // it has none
};

/// Registers the route; for RealtimeRoute and LiveListenerRoute. `sessions` must outlive the server's run.
template <class Route>
void serve_sockets(SocketSessions& sessions, OpenSession open);

/// Largest message that is taken: OpenAI's limit of 15 MiB of audio, in base64.
inline constexpr std::size_t kMaxMessageBytes = 21u << 20;

}  // namespace hotmic::server
