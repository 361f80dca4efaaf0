#include "server/socket.hpp"

#include <drogon/HttpAppFramework.h>
#include <drogon/WebSocketController.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <ranges>
#include <utility>

namespace hotmic::server {
namespace {

/// Bytes that a client may leave unread before it is taken for one that never reads.
constexpr std::size_t kMostUnread = 4u << 20;

struct Connected {
    std::shared_ptr<Socket> socket;
    std::shared_ptr<SocketSession> session;
};

}  // namespace

std::vector<std::string> offered_subprotocols(const drogon::HttpRequestPtr& request) {
    std::vector<std::string> offered;
    for (const auto part : std::views::split(request->getHeader("sec-websocket-protocol"), ',')) {
        auto each = std::string_view(part);
        each.remove_prefix(std::min(each.find_first_not_of(' '), each.size()));
        each.remove_suffix(each.size() - (each.find_last_not_of(' ') + 1));
        offered.emplace_back(each);
    }
    return offered;
}

Socket::Socket(drogon::WebSocketConnectionPtr connection)
    : connection_(std::move(connection)), loop_(trantor::EventLoop::getEventLoopOfCurrentThread()) {}

Socket::~Socket() = default;

void Socket::send(std::string_view text) const {
    connection_->send(text);
}

void Socket::close(Close code, const std::string& reason) const {
    connection_->shutdown(static_cast<drogon::CloseCode>(code), reason);
}

std::string Socket::peer() const {
    return connection_->peerAddr().toIp();
}

void Socket::post(std::function<void()> task) {
    loop_->queueInLoop([self = shared_from_this(), task = std::move(task)] {
        if (self->open_) task();
    });
}

std::function<void(std::function<void()>)> Socket::poster() {
    return [weak = weak_from_this()](std::function<void()> task) {
        if (const auto socket = weak.lock()) socket->post(std::move(task));
    };
}

void Socket::every(double seconds, std::function<void()> task) {
    timers_.push_back(loop_->runEvery(seconds, std::move(task)));
}

void Socket::gone() {
    open_ = false;
    for (const auto timer : timers_) loop_->invalidateTimer(timer);
    timers_.clear();
}

void SocketSessions::add(Entry entry) {
    const std::scoped_lock lock(mutex_);
    std::erase_if(entries_, [](const Entry& each) { return each.session.expired(); });
    entries_.push_back(std::move(entry));
}

void SocketSessions::shut_down() {
    const std::scoped_lock lock(mutex_);
    for (const auto& entry : entries_) {
        const auto socket = entry.socket.lock();
        if (!socket) continue;
        socket->post([weak = entry.session] {
            if (const auto session = weak.lock()) session->on_shutdown();
        });
    }
}

std::size_t SocketSessions::size() const {
    const std::scoped_lock lock(mutex_);
    return static_cast<std::size_t>(
        std::ranges::count_if(entries_, [](const Entry& each) { return !each.session.expired(); }));
}

namespace {

template <class Route>
class Sockets final : public drogon::WebSocketController<Sockets<Route>, false> {
public:
    Sockets(SocketSessions& sessions, OpenSession open) : sessions_(sessions), open_(std::move(open)) {}

    WS_PATH_LIST_BEGIN
    Sockets::registerSelf__(Route::kPath, {drogon::Get});
    WS_PATH_LIST_END

    void handleNewConnection(const drogon::HttpRequestPtr& request,
                             const drogon::WebSocketConnectionPtr& connection) override {
        if (const auto transport = request->getConnectionPtr().lock()) {
            transport->setHighWaterMarkCallback(
                [](const trantor::TcpConnectionPtr& slow, std::size_t bytes) {
                    spdlog::warn("websocket closed: the client does not read, unread_bytes={}", bytes);
                    slow->forceClose();
                },
                kMostUnread);
        }
        auto socket = std::make_shared<Socket>(connection);
        auto session = open_(socket, request);
        if (!session) return;
        sessions_.add({socket, session});
        connection->setContext(std::make_shared<Connected>(Connected{std::move(socket), std::move(session)}));
    }

    void handleNewMessage(const drogon::WebSocketConnectionPtr& connection, std::string&& message,
                          const drogon::WebSocketMessageType& type) override {
        const auto connected = connection->template getContext<Connected>();
        if (!connected) return;
        if (type == drogon::WebSocketMessageType::Text) connected->session->on_text(message);
        if (type == drogon::WebSocketMessageType::Binary) connected->session->on_binary(message);
    }

    void handleConnectionClosed(const drogon::WebSocketConnectionPtr& connection) override {
        if (const auto connected = connection->template getContext<Connected>()) connected->socket->gone();
        connection->clearContext();
    }

private:
    SocketSessions& sessions_;
    const OpenSession open_;
};

/// Tells a client that offers subprotocols which one is spoken. A browser ends a connection where none is chosen, and
/// the library chooses none.
template <class Route>
void choose_subprotocol(const drogon::HttpRequestPtr& request, const drogon::HttpResponsePtr& response) {
    if (response->statusCode() != drogon::k101SwitchingProtocols || request->path() != Route::kPath) return;
    if (std::ranges::contains(offered_subprotocols(request), Route::kSubprotocol))
        response->addHeader("Sec-WebSocket-Protocol", Route::kSubprotocol);
}

}  // namespace

template <class Route>
void serve_sockets(SocketSessions& sessions, OpenSession open) {
    if (*Route::kSubprotocol != '\0') drogon::app().registerPreSendingAdvice(&choose_subprotocol<Route>);
    drogon::app().registerController(std::make_shared<Sockets<Route>>(sessions, std::move(open)));
}

template void serve_sockets<RealtimeRoute>(SocketSessions&, OpenSession);
template void serve_sockets<LiveListenerRoute>(SocketSessions&, OpenSession);

}  // namespace hotmic::server
