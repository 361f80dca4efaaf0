/// One HTTP request that fetches a file or the rest of one, over libcurl: http and https only, certificates checked,
/// proxies as the environment says, redirects followed only to as safe a scheme.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"

namespace hotmic::store {

struct Ask {
    std::string url;
    std::uint64_t from = 0;          ///< first byte wanted
    std::string if_range{};          ///< entity tag of what is here already; empty: none is known
    std::string token{};             ///< presented to this host, and to no other that it redirects to
    std::chrono::seconds stall{30};  ///< less than a kilobyte a second for this long is a stall
    std::chrono::steady_clock::time_point until = std::chrono::steady_clock::time_point::max();
};

/// What the server said before the first byte.
struct Reply {
    int status = 0;
    std::uint64_t begins_at = 0;   ///< of the file: not 0 for the rest of one
    std::optional<Bytes> total{};  ///< of the whole file
    std::string etag{};            ///< only a strong one
    std::string host{};            ///< that answered in the end
};

/// Why there is no more, and whether asking again can help.
struct Failed {
    enum class Kind {
        again,    ///< cut off, timed out, 5xx: the same source may do better
        later,    ///< 429, 503 with Retry-After
        refused,  ///< this source does not have it or does not give it
        range,    ///< 416: what is here is no part of what is there
        here,     ///< this machine's fault, or cancelled: no other source helps
    };
    Kind kind = Kind::refused;
    Error error{};
    std::optional<std::chrono::seconds> retry_after{};
    bool unreachable = false;  ///< nobody answered at all
};

/// Connections stay open between calls. One thread.
class Transfer {
public:
    /// Called once, before any byte; an error ends the transfer with it, as Kind::refused or Kind::here.
    using Begin = std::function<std::expected<void, Failed>(const Reply&)>;
    using Take = std::function<std::expected<void, Failed>(std::span<const char>)>;

    Transfer();
    ~Transfer();
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;

    /// Returns when the last byte was taken. `beat` is called about once a second, whatever comes.
    [[nodiscard]] std::expected<void, Failed> run(const Ask& ask, const Begin& begin, const Take& take,
                                                  const std::function<void()>& beat, const std::stop_token& stop);
    /// Of all files, since this was made; as they came over the network.
    [[nodiscard]] Bytes received() const noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// The host of a URL, without user and password; the whole text where it is none.
[[nodiscard]] std::string host_of(const std::string& url);
/// The URL without user, password and query, for people and logs.
[[nodiscard]] std::string shown(const std::string& url);
/// https; or http where nobody is in between (this machine itself).
[[nodiscard]] bool is_protected(const std::string& url);

}  // namespace hotmic::store
