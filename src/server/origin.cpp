#include "server/origin.hpp"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "server/http/fields.hpp"
#include "server/http/message.hpp"

namespace hotmic::server {
namespace {

bool is_address(const std::string& host) {
    std::array<unsigned char, sizeof(in6_addr)> address{};
    return inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
           inet_pton(AF_INET6, host.substr(0, host.find('%')).c_str(), address.data()) == 1;
}

std::string machine_name() {
    std::array<char, 256> name{};
    return gethostname(name.data(), name.size() - 1) == 0 ? http::lower_case(name.data()) : std::string{};
}

/// "https://a.example:8443" → "a.example:8443"; a scheme's own port is left out.
std::string authority_of(std::string_view origin) {
    const auto scheme = origin.substr(0, origin.find("://"));
    if (scheme.size() == origin.size()) return {};
    auto authority = http::lower_case(origin.substr(scheme.size() + 3));
    for (const std::string_view own : {":80", ":443"}) {
        if (authority.ends_with(own)) authority.resize(authority.size() - own.size());
    }
    return authority;
}

bool is_allowed(std::string_view origin, const std::vector<std::string>& origins) {
    return std::ranges::any_of(origins, [&](const auto& each) { return each == "*" || http::same_name(each, origin); });
}

}  // namespace

std::string host_of(std::string_view authority) {
    if (authority.starts_with('['))
        return http::lower_case(authority.substr(1, std::min(authority.find(']'), authority.size()) - 1));
    return http::lower_case(authority.substr(0, authority.find(':')));
}

bool is_own_host(std::string_view authority, const std::vector<std::string>& hosts) {
    auto host = host_of(authority);
    if (host.ends_with('.')) host.pop_back();
    if (host.empty() || is_address(host) || host == "localhost" || host.ends_with(".localhost")) return true;
    const auto own = machine_name();
    if (!own.empty() && (host == own || host == own + ".local")) return true;
    return std::ranges::any_of(hosts, [&](const auto& each) { return each == "*" || host == host_of(each); });
}

bool is_address_elsewhere(std::string_view authority) {
    const auto host = host_of(authority);
    if (in_addr v4{}; inet_pton(AF_INET, host.c_str(), &v4) == 1)
        return ntohl(v4.s_addr) != INADDR_ANY && ntohl(v4.s_addr) >> 24 != 127;
    in6_addr v6{};
    if (inet_pton(AF_INET6, host.substr(0, host.find('%')).c_str(), &v6) != 1) return false;
    if (IN6_IS_ADDR_V4MAPPED(&v6)) return v6.s6_addr[12] != 127;
    return !IN6_IS_ADDR_LOOPBACK(&v6) && !IN6_IS_ADDR_UNSPECIFIED(&v6);
}

bool is_forwarded(const http::Request& request) {
    constexpr std::array kSigns{
        "forwarded", "x-forwarded-for",  "x-forwarded-host",   "x-forwarded-proto", "x-forwarded-port", "x-real-ip",
        "via",       "cf-connecting-ip", "x-forwarded-server", "true-client-ip"};
    return std::ranges::any_of(kSigns, [&](const char* name) { return request.headers.has(name); });
}

bool is_from_another_origin(const http::Request& request, const std::vector<std::string>& origins) {
    const auto origin = request.header("origin");
    // A browser says so of a page's GET, too, which has no Origin.
    if (origin.empty()) return request.header("sec-fetch-site") == "cross-site";
    if (is_allowed(origin, origins)) return false;
    const auto from = authority_of(origin);
    const auto is = [&](std::string_view authority) {
        return !authority.empty() && from == authority_of("://" + std::string(authority));
    };
    // A page cannot set the second; a proxy that changes the Host does.
    return from.empty() || (!is(request.host) && !is(request.header("x-forwarded-host")));
}

void allow_origin(const http::Request& request, const std::vector<std::string>& origins, http::Response& response) {
    if (origins.empty()) return;
    response.headers.merge("Vary", "Origin");
    const auto origin = request.header("origin");
    if (origin.empty() || !is_allowed(origin, origins)) return;
    response.headers.set("Access-Control-Allow-Origin", std::string(origin));
    response.headers.set("Access-Control-Expose-Headers",
                         "x-request-id, x-hotmic-model, x-hotmic-error, Retry-After, Warning, Location, "
                         "x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests");
}

void answer_preflight(const http::Request& request, const std::vector<std::string>& origins, http::Response& response) {
    const auto method = request.header("access-control-request-method");
    const auto origin = request.header("origin");
    if (method.empty() || origin.empty() || !is_allowed(origin, origins)) return;
    response.headers.set("Access-Control-Allow-Methods", std::string(response.headers.get("allow")));
    if (const auto wanted = request.header("access-control-request-headers"); !wanted.empty())
        response.headers.set("Access-Control-Allow-Headers", std::string(wanted));
    response.headers.set("Access-Control-Max-Age", "600");
    if (request.headers.has("access-control-request-private-network"))
        response.headers.set("Access-Control-Allow-Private-Network", "true");
}

}  // namespace hotmic::server
