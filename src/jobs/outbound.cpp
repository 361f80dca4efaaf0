#include "jobs/outbound.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <format>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "hotmic/error.hpp"
#include "store/curl.hpp"

namespace hotmic::jobs {
namespace {

constexpr std::size_t kMostUrl = 2048;
constexpr std::size_t kMostDropped = 64 << 10;

struct Url {
    std::string scheme;
    std::string host;  // lower case
    bool has_user = false;
};

struct PartsDeleter {
    void operator()(CURLU* parts) const { curl_url_cleanup(parts); }
};

std::string part(CURLU* parts, CURLUPart which) {
    char* text = nullptr;
    if (curl_url_get(parts, which, &text, 0) != CURLUE_OK) return {};
    std::string found(text);
    curl_free(text);
    return found;
}

std::optional<Url> parse(const std::string& text) {
    const std::unique_ptr<CURLU, PartsDeleter> parts(curl_url());
    if (text.size() > kMostUrl || !parts || curl_url_set(parts.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK)
        return std::nullopt;
    Url url{.scheme = part(parts.get(), CURLUPART_SCHEME),
            .host = part(parts.get(), CURLUPART_HOST),
            .has_user = !part(parts.get(), CURLUPART_USER).empty() || !part(parts.get(), CURLUPART_PASSWORD).empty()};
    std::ranges::transform(url.host, url.host.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; });
    if (url.host.ends_with('.')) url.host.pop_back();
    return url;
}

bool is_written_out(const std::string& host, const AllowedHosts& allowed) {
    return std::ranges::contains(allowed, host);
}

bool is_allowed(const std::string& host, const AllowedHosts& allowed) {
    return std::ranges::any_of(allowed, [&](const std::string& each) {
        return each == "*" || each == host || (each.starts_with("*.") && host.ends_with(each.substr(1)));
    });
}

bool is_public_v4(std::uint32_t address) noexcept {
    struct Range {
        std::uint32_t base;
        int bits;
    };
    constexpr std::array kElsewhere{
        Range{0x00000000, 8},   // this network
        Range{0x0a000000, 8},   // private
        Range{0x64400000, 10},  // shared by a provider's customers
        Range{0x7f000000, 8},   // this machine
        Range{0xa9fe0000, 16},  // the link; metadata of clouds
        Range{0xac100000, 12},  // private
        Range{0xc0000000, 24},  // protocols
        Range{0xc0000200, 24},  // documentation
        Range{0xc0586300, 24},  // relays to IPv6
        Range{0xc0a80000, 16},  // private
        Range{0xc6120000, 15},  // measurements
        Range{0xc6336400, 24},  // documentation
        Range{0xcb007100, 24},  // documentation
        Range{0xe0000000, 3},   // groups, reserved, everybody
    };
    return std::ranges::none_of(kElsewhere,
                                [&](const Range& range) { return (address ^ range.base) >> (32 - range.bits) == 0; });
}

bool is_public_v6(const in6_addr& address) noexcept {
    const auto* bytes = address.s6_addr;
    const auto group = [&](int at) { return static_cast<unsigned>(bytes[2 * at]) << 8 | bytes[2 * at + 1]; };
    if ((group(0) & 0xe000) != 0x2000) return false;            // also IPv4's mapped and translated ones
    if (group(0) == 0x2002) return false;                       // 6to4: leads to an IPv4 address
    if (group(0) == 0x2001 && group(1) < 0x0200) return false;  // Teredo and protocols
    return group(0) != 0x2001 || group(1) != 0x0db8;            // documentation
}

bool is_loopback_v4(std::uint32_t address) noexcept {
    return address >> 24 == 127;
}

bool is_loopback(const sockaddr& address) noexcept {
    if (address.sa_family == AF_INET)
        return is_loopback_v4(ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr));
    if (address.sa_family != AF_INET6) return false;
    return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
}

/// A name or an address that is this machine, whatever a resolver says.
bool is_here(std::string host) {
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    in_addr v4{};
    in6_addr v6{};
    if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return is_loopback_v4(ntohl(v4.s_addr));
    if (::inet_pton(AF_INET6, host.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
    return host == "localhost";
}

/// What libcurl calls back.
struct Progress {
    const Call& what;
    const Url url;
    CURL* curl;
    std::optional<Error> ended_by{};
    std::size_t dropped = 0;
    bool refused = false;  // an address

    static curl_socket_t on_socket(void* self, curlsocktype, curl_sockaddr* to) {
        auto& mine = *static_cast<Progress*>(self);
        const bool open = mine.url.scheme == "https"
                              ? is_written_out(mine.url.host, mine.what.allowed) || is_public(to->addr)
                              : is_loopback(to->addr);
        if (!open) {
            mine.refused = true;
            return CURL_SOCKET_BAD;
        }
        return ::socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
    }
    static std::size_t on_body(const char* data, std::size_t, std::size_t size, void* self) {
        auto& mine = *static_cast<Progress*>(self);
        long status = 0;
        curl_easy_getinfo(mine.curl, CURLINFO_RESPONSE_CODE, &status);
        if (!mine.what.take || status / 100 != 2) {
            mine.dropped += size;
            return mine.dropped > kMostDropped ? 0 : size;
        }
        if (auto taken = mine.what.take({data, size}); !taken) {
            mine.ended_by = std::move(taken).error();
            return 0;
        }
        return size;
    }
    static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
        return static_cast<Progress*>(self)->what.stop.stop_requested() ? 1 : 0;
    }
};

}  // namespace

bool is_public(const sockaddr& address) noexcept {
    if (address.sa_family == AF_INET)
        return is_public_v4(ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr));
    if (address.sa_family == AF_INET6) return is_public_v6(reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
    return false;
}

Result<void> check_url(const std::string& url, const AllowedHosts& allowed, const std::string& key,
                       const std::string& field) {
    const auto refuse = [&](std::string_view what, std::string remedy) {
        return fail(ErrorCode::invalid_request, std::format("{} {}", field, what), std::move(remedy), field);
    };
    if (allowed.empty()) return refuse("is not taken by this server", "name the hosts it may ask in " + key);
    const auto parsed = parse(url);
    if (!parsed || parsed->host.empty()) return refuse("is no URL", "give one such as https://example.com/path");
    if (parsed->has_user) return refuse("holds a user or password", "leave them out");
    if (!is_allowed(parsed->host, allowed))
        return refuse("leads to a host that this server does not ask", "name it in " + key);
    const bool plain = parsed->scheme == "http" && is_here(parsed->host) && is_written_out(parsed->host, allowed);
    if (parsed->scheme != "https" && !plain) return refuse("is not https", "give an https URL");
    return {};
}

Result<int> call(const Call& what) {
    const auto unreachable = [](std::string why, std::string remedy = "") {
        return fail(ErrorCode::recording_unreachable, std::move(why), std::move(remedy));
    };
    const auto url = parse(what.url);
    const auto handle = store::new_curl();
    auto* curl = handle.get();
    if (!url || curl == nullptr) return fail(ErrorCode::internal, "libcurl could not be started");
    if (!is_allowed(url->host, what.allowed)) return unreachable("the host is no longer allowed");
    Progress progress{what, *url, curl};
    std::array<char, CURL_ERROR_SIZE> words{};

    curl_easy_setopt(curl, CURLOPT_URL, what.url.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "hotmic");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(what.timeout.count()));
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, words.data());
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, &Progress::on_socket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, &progress);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Progress::on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &progress);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &Progress::on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &progress);
    store::use_named_authorities(curl);
    std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(nullptr, &curl_slist_free_all);
    for (const auto& line : what.headers) headers.reset(curl_slist_append(headers.release(), line.c_str()));
    if (headers) curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
    if (what.body) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(what.body->size()));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, what.body->data());
    }

    const auto code = curl_easy_perform(curl);
    if (progress.ended_by) return std::unexpected(*std::move(progress.ended_by));
    if (what.stop.stop_requested()) return fail(ErrorCode::cancelled, "the request was given up");
    if (progress.refused && code != CURLE_OK) {
        return unreachable(std::format("{} leads to an address that this server does not ask", url->host),
                           "only public ones over https are asked, and those of hosts that are written out");
    }
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    // A long answer that nobody wants to hear is an answer.
    if (code != CURLE_OK && progress.dropped <= kMostDropped) {
        return unreachable(
            std::format("{}: {}", url->host, words.front() != '\0' ? words.data() : curl_easy_strerror(code)));
    }
    return static_cast<int>(status);
}

}  // namespace hotmic::jobs
