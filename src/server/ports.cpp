#include "server/ports.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <format>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "config/listen_address.hpp"
#include "hotmic/error.hpp"
#include "server/http/listener.hpp"
#include "server/http/loop.hpp"

namespace hotmic::server {
namespace {

constexpr std::string_view kWyoming = "wyoming";
/// "unknown" is what systemd calls a socket that nobody has named.
constexpr std::array<std::string_view, 4> kHttp{"http", "hotmic.socket", "unknown", ""};

Result<void> adopt(http::Loops& loops, const PassedSocket& socket, Ports& ports) {
    if (socket.name != kWyoming && !std::ranges::contains(kHttp, socket.name)) {
        return fail(ErrorCode::config_invalid,
                    std::format("a socket named \"{}\" was passed, and nothing of that name is served", socket.name),
                    "name it in its unit: FileDescriptorName=http, or wyoming");
    }
    auto port = http::Port::adopt(loops, socket.descriptor, socket.name);
    if (!port) return std::unexpected(std::move(port).error());
    (socket.name == kWyoming ? ports.wyoming : ports.http).push_back(*std::move(port));
    return {};
}

Result<void> bind_one(http::Loops& loops, const std::string& host, std::uint16_t number, const std::string& key,
                      std::vector<http::Port>& ports) {
    auto port = http::Port::bind(loops, host, number, key);
    if (!port) return std::unexpected(std::move(port).error());
    ports.push_back(*std::move(port));
    return {};
}

/// None, where none is configured.
Result<std::optional<http::Port>> bind_admin(http::Loops& loops, const config::Server& server) {
    const auto where = config::listen_address(server.admin_listen);
    if (!where) return std::nullopt;
    constexpr const char* kKey = "server.admin_listen";
    return where->path.empty() ? http::Port::bind(loops, where->host, where->port, kKey)
                               : http::Port::bind_path(loops, where->path, kKey);
}

}  // namespace

Result<Ports> open_ports(http::Loops& loops, const config::Server& server, const std::vector<PassedSocket>& passed) {
    Ports ports;
    for (const auto& socket : passed) {
        if (auto taken = adopt(loops, socket, ports); !taken) return std::unexpected(std::move(taken).error());
    }
    auto host = server.host;
    if (!ports.http.empty()) {
        host = ports.http.front().address();
    } else if (auto bound = bind_one(loops, host, server.port, "server.port", ports.http); !bound) {
        return std::unexpected(std::move(bound).error());
    }
    if (ports.wyoming.empty() && server.wyoming_port != 0) {
        auto bound = bind_one(loops, server.host, server.wyoming_port, "server.wyoming_port", ports.wyoming);
        if (!bound) return std::unexpected(std::move(bound).error());
    }
    auto admin = bind_admin(loops, server);
    if (!admin) return std::unexpected(std::move(admin).error());
    ports.admin = *std::move(admin);
    ports.authority = http::authority_of(host, ports.http.front().number());
    return ports;
}

}  // namespace hotmic::server
