#include "server/http/port.hpp"

#include <netinet/tcp.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/socket_base.hpp>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <format>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "hotmic/error.hpp"
#include "server/http/byte_stream.hpp"
#include "server/http/listener.hpp"
#include "server/http/loop.hpp"

namespace hotmic::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

/// After an error of accepting that passes, like too many open files.
constexpr std::chrono::milliseconds kPause{100};

std::string without_brackets(const std::string& host) {
    return host.starts_with('[') && host.ends_with(']') ? host.substr(1, host.size() - 2) : host;
}

/// A numeric address without its zone; an IPv4 one that came over IPv6 is IPv4.
std::string text_of(const asio::ip::address& address) {
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
    auto text = address.to_string();
    return text.substr(0, text.find('%'));
}

bool is_loopback(const asio::ip::address& address) {
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).is_loopback();
    return address.is_loopback();
}

using Endpoint = asio::generic::stream_protocol::endpoint;

/// None: it is none of TCP.
std::optional<tcp::endpoint> tcp_of(const Endpoint& endpoint) {
    const int family = endpoint.protocol().family();
    if (family != AF_INET && family != AF_INET6) return std::nullopt;
    tcp::endpoint found;
    found.resize(endpoint.size());
    std::memcpy(found.data(), endpoint.data(), endpoint.size());
    return found;
}

Peer peer_of(const Endpoint& endpoint) {
    const auto found = tcp_of(endpoint);
    if (!found) return {.address = "local", .on_this_machine = true};
    return {text_of(found->address()), found->port(), is_loopback(found->address())};
}

}  // namespace

Result<Port> Port::bind(Loops& loops, const std::string& host, std::uint16_t port, const std::string& key) {
    auto& context = loops.main().context();
    const auto name = without_brackets(host);
    error_code ec;
    const auto found = tcp::resolver(context).resolve(name, std::to_string(port), tcp::resolver::passive, ec);
    if (ec || found.empty()) {
        return fail(ErrorCode::config_invalid,
                    std::format("server.host \"{}\" is no address: {}", host, ec ? ec.message() : "nothing found"),
                    "use 127.0.0.1 for this machine only, 0.0.0.0 for everybody", "server.host");
    }
    const auto endpoint = found.begin()->endpoint();
    tcp::acceptor acceptor(context);
    if (!ec) acceptor.open(endpoint.protocol(), ec);
    if (!ec) acceptor.set_option(asio::socket_base::reuse_address(true), ec);
    if (!ec) acceptor.bind(endpoint, ec);
    // Listening at once: another server on the port is seen even where address reuse would let us bind, and whoever
    // connects before we accept waits a moment instead of being refused.
    if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
    if (ec == asio::error::address_in_use) {
        return fail(ErrorCode::address_in_use, authority_of(name, port) + " is in use by another process",
                    key == "server.port" ? "stop it, or choose another port with --port (0 takes any free one)"
                                         : "stop it, or choose another " + key,
                    key);
    }
    if (ec == asio::error::access_denied) {
        return fail(ErrorCode::config_invalid,
                    std::format("{} may not be listened on: this user has no right to it{}", authority_of(name, port),
                                port < 1024 ? ", for it is below 1024" : ""),
                    std::format("choose a {} from 1024, or have systemd open it (hotmic.socket), or give the right to "
                                "it: CAP_NET_BIND_SERVICE",
                                key),
                    key);
    }
    if (ec) {
        return fail(ErrorCode::io_error,
                    std::format("{} cannot be listened on: {}", authority_of(name, port), ec.message()),
                    "choose another server.host or " + key, key);
    }
    auto impl = std::make_unique<Impl>(std::move(acceptor), text_of(endpoint.address()), loops);
    return Port(std::move(impl));
}

Result<Port> Port::bind_path(Loops& loops, const std::string& path, const std::string& key) {
    using Local = asio::local::stream_protocol;
    const auto failed = [&](const error_code& ec) {
        return fail(ErrorCode::io_error, std::format("{} = \"unix:{}\": {}", key, path, ec.message()),
                    "name a path in a folder that this user may write to", key);
    };
    if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path)) {
        return fail(ErrorCode::config_invalid, std::format("{} = \"unix:{}\" is no path of a socket", key, path),
                    std::format("name a path of 1 to {} bytes", sizeof(sockaddr_un::sun_path) - 1), key);
    }
    auto& context = loops.main().context();
    const Local::endpoint endpoint(path);
    error_code ec;
    Local::socket asked(context);
    asked.connect(endpoint, ec);
    if (!ec) {
        return fail(ErrorCode::address_in_use, path + " is in use by another process",
                    "stop it, or choose another " + key, key);
    }
    if (ec == asio::error::connection_refused) ::unlink(path.c_str());  // of a process that is gone
    Local::acceptor acceptor(context);
    acceptor.open(endpoint.protocol(), ec);
    if (ec) return failed(ec);
    // Nobody else may connect between the binding and the change of its rights.
    const auto before = ::umask(0117);
    acceptor.bind(endpoint, ec);
    ::umask(before);
    if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
    if (ec) return failed(ec);
    auto impl = std::make_unique<Impl>(std::move(acceptor), path, loops);
    impl->is_path = true;
    return Port(std::move(impl));
}

Result<Port> Port::adopt(Loops& loops, int descriptor, const std::string& name) {
    const auto wrong = [&](std::string_view what) {
        return fail(ErrorCode::config_invalid, std::format("the socket \"{}\" that was passed is {}", name, what),
                    "have the socket unit listen on a TCP port: ListenStream=127.0.0.1:8090, Accept=no");
    };
    const auto option = [&](int which) {
        int value = 0;
        socklen_t size = sizeof value;
        return ::getsockopt(descriptor, SOL_SOCKET, which, &value, &size) == 0 ? value : -1;
    };
    const int domain = option(SO_DOMAIN);
    if (domain < 0) return wrong("no socket");
    if (domain != AF_INET && domain != AF_INET6) return wrong("none of TCP");
    if (option(SO_TYPE) != SOCK_STREAM) return wrong("none of TCP");
    if (option(SO_ACCEPTCONN) != 1) return wrong("a connection, or not listened on");
    tcp::acceptor acceptor(loops.main().context());
    error_code ec;
    acceptor.assign(domain == AF_INET ? tcp::v4() : tcp::v6(), descriptor, ec);
    if (ec) return wrong(ec.message());
    const auto endpoint = acceptor.local_endpoint(ec);
    auto impl = std::make_unique<Impl>(std::move(acceptor), text_of(endpoint.address()), loops);
    return Port(std::move(impl));
}

Port::Port(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Port::~Port() = default;

Port::Impl::~Impl() {
    if (is_path) ::unlink(address.c_str());
}

Port::Port(Port&&) noexcept = default;
Port& Port::operator=(Port&&) noexcept = default;

std::uint16_t Port::number() const {
    error_code ec;
    const auto endpoint = tcp_of(impl_->acceptor.local_endpoint(ec));
    return ec || !endpoint ? std::uint16_t{0} : endpoint->port();
}
const std::string& Port::address() const noexcept {
    return impl_->address;
}

void Port::Impl::accept() {
    // Onto the loop of the acceptor first: what waits here when all loops end must not be another loop's.
    acceptor.async_accept([this](const error_code& ec, RawSocket fresh) {
        if (ec == asio::error::operation_aborted || !acceptor.is_open()) return;
        if (ec) {
            spdlog::warn("a connection was not accepted: {}", ec.message());
            return loops.main().after(kPause, [this] { accept(); });
        }
        error_code gone;
        const auto remote = fresh.remote_endpoint(gone);
        auto& loop = loops.next();
        RawSocket socket(loop.context());
        if (!gone) socket.assign(remote.protocol(), fresh.release(gone), gone);
        if (!gone) {
            auto peer = peer_of(remote);
            if (auto place = door->enter(peer.address, reserve)) {
                const auto accepted =
                    std::make_shared<Accepted>(std::move(socket), loop, std::move(place), std::move(peer));
                loop.post([this, accepted] { take(std::move(*accepted)); });
            }
        }
        accept();
    });
}

void keep_alive(RawSocket& socket) {
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    socket.set_option(asio::socket_base::keep_alive(true), ignored);
    const auto set = [&](int option, int seconds) {
        ::setsockopt(socket.native_handle(), IPPROTO_TCP, option, &seconds, sizeof seconds);
    };
    // Below the minute after which routers forget a silent connection.
    set(TCP_KEEPIDLE, 30);
    set(TCP_KEEPINTVL, 15);
    set(TCP_KEEPCNT, 4);
}

bool has_hung_up(RawSocket& socket) {
    pollfd asked{.fd = socket.native_handle(), .events = POLLRDHUP, .revents = 0};
    return ::poll(&asked, 1, 0) > 0 && (asked.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

std::string authority_of(const std::string& host, std::uint16_t port) {
    const auto name = without_brackets(host);
    return std::format("{}:{}", name.contains(':') ? "[" + name + "]" : name, port);
}

}  // namespace hotmic::http
