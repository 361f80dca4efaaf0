#include "server/http/socket.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/http/fields.hpp"
#include "server/http/message.hpp"
#include "system/mutex.hpp"

namespace hotmic::http {

std::vector<std::string> offered_subprotocols(const Request& request) {
    std::vector<std::string> offered;
    for (const auto each : list_of(request.header("sec-websocket-protocol"))) offered.emplace_back(each);
    return offered;
}

void Socket::send(std::string text) {
    post([self = shared_from_this(), text = std::move(text)]() mutable {
        if (const auto transport = self->transport_.lock()) transport->send(std::move(text));
    });
}

void Socket::close(Close code, std::string reason) {
    post([self = shared_from_this(), code, reason = std::move(reason)]() mutable {
        if (const auto transport = self->transport_.lock()) transport->close(code, std::move(reason));
    });
}

void Socket::post(std::function<void()> task) {
    loop_.post([self = shared_from_this(), task = std::move(task)] {
        if (self->open_) task();
    });
}

std::function<void(std::function<void()>)> Socket::poster() {
    return [weak = weak_from_this()](std::function<void()> task) {
        if (const auto socket = weak.lock()) socket->post(std::move(task));
    };
}

std::shared_ptr<void> Socket::hold() {
    auto transport = transport_.lock();
    if (!transport) return nullptr;
    transport->hold();
    auto* key = transport.get();
    return {key, [transport = std::move(transport), &loop = loop_](void*) mutable {
                loop.post([transport = std::move(transport)] { transport->go_on(); });
            }};
}

void Socket::every(std::chrono::milliseconds period, std::function<void()> task) {
    timers_.push_back(loop_.every(period, std::move(task)));
}

void Socket::gone() {
    open_ = false;
    timers_.clear();
}

void SocketSessions::add(Entry entry) {
    const Lock lock(mutex_);
    std::erase_if(entries_, [](const Entry& each) { return each.session.expired(); });
    entries_.push_back(std::move(entry));
}

void SocketSessions::shut_down() {
    const Lock lock(mutex_);
    for (const auto& entry : entries_) {
        if (!entry.session.expired()) entry.shut_down();
    }
}

std::size_t SocketSessions::size() const {
    const Lock lock(mutex_);
    return static_cast<std::size_t>(
        std::ranges::count_if(entries_, [](const Entry& each) { return !each.session.expired(); }));
}

OpenSession listed(SocketSessions& sessions, OpenSession open) {
    return [&sessions, open = std::move(open)](const std::shared_ptr<Socket>& socket, const RequestPtr& request) {
        auto session = open(socket, request);
        if (!session) return session;
        sessions.add({session, [post = socket->poster(), weak = std::weak_ptr(session)] {
                          post([weak] {
                              if (const auto there = weak.lock()) there->on_shutdown();
                          });
                      }});
        return session;
    };
}

}  // namespace hotmic::http
