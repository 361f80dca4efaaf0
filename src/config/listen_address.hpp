/// Where a server listens, as text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hotmic::config {

struct ListenAddress {
    std::string path{};  ///< of a socket; empty: `host` and `port`
    std::string host{};  ///< without brackets
    std::uint16_t port = 0;
};

/// "HOST:PORT", "[IPv6]:PORT" or "unix:PATH", absolute; nothing: it is none of them.
[[nodiscard]] std::optional<ListenAddress> listen_address(std::string_view text);

}  // namespace hotmic::config
