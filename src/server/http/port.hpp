/// Inside of listeners: accepting, with the event library's types.
#pragma once

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "server/http/byte_stream.hpp"
#include "server/http/door.hpp"
#include "server/http/listener.hpp"
#include "server/http/loop.hpp"

namespace hotmic::http {

using tcp = boost::asio::ip::tcp;

/// The other side of a connection.
struct Peer {
    std::string address;     ///< numeric; "local": it came by a path of this machine
    std::uint16_t port = 0;  ///< 0: none
    bool on_this_machine = false;
};

struct Accepted {
    RawSocket socket;
    Loop& loop;
    std::unique_ptr<Door::Place> place;
    Peer peer;
};

struct Port::Impl {
    using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;

    Impl(Acceptor listening, std::string where, Loops& all)
        : acceptor(std::move(listening)), address(std::move(where)), loops(all) {}
    ~Impl();
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    Acceptor acceptor;
    std::string address;
    Loops& loops;
    bool is_path = false;  // which is gone with this
    Door* door = nullptr;
    Door::Reserve reserve = Door::Reserve::open;
    std::function<void(Accepted)> take{};

    /// Accepts one after the other; `take` is called on the connection's loop.
    void accept();
};

/// A silent peer that is no longer there is noticed.
void keep_alive(RawSocket& socket);
/// The other side has closed its end, or the connection is broken.
[[nodiscard]] bool has_hung_up(RawSocket& socket);

}  // namespace hotmic::http
