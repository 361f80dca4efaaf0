#include "config/listen_address.hpp"

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace hotmic::config {

std::optional<ListenAddress> listen_address(std::string_view text) {
    constexpr std::string_view kPath = "unix:";
    if (text.starts_with(kPath)) {
        text.remove_prefix(kPath.size());
        if (!text.starts_with('/')) return std::nullopt;
        return ListenAddress{.path = std::string(text)};
    }
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return std::nullopt;
    auto host = text.substr(0, colon);
    const auto digits = text.substr(colon + 1);
    const bool has_brackets = host.starts_with('[') && host.ends_with(']');
    if (host.contains(':') && !has_brackets) return std::nullopt;
    if (has_brackets) host = host.substr(1, host.size() - 2);
    ListenAddress address{.host = std::string(host)};
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), address.port);
    if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return address;
}

}  // namespace hotmic::config
