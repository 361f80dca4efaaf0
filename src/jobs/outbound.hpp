/// Requests that clients have this server make: to the hosts that its operator allows, and to no other.
///
/// Who names a URL could else have the server ask what only it can reach: its own admin port, a neighbour, the metadata
/// of a cloud. So the address that a name leads to is looked at where the connection is made, redirects are not
/// followed, and proxies are not used.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "hotmic/error.hpp"

struct sockaddr;

namespace hotmic::jobs {

/// Whom a URL may lead to: "example.com"; "*.example.com", every name below it; "*", every public address. An address
/// that is not public is only asked where its name is written out here, and http only where that is this machine.
using AllowedHosts = std::vector<std::string>;

/// Without asking anybody: that it is an https URL of an allowed host, or an http one of this machine, written out.
/// `key` is the one of the configuration that says which are allowed, `field` what the client calls the URL. Errors:
/// invalid_request.
[[nodiscard]] Result<void> check_url(const std::string& url, const AllowedHosts& allowed, const std::string& key,
                                     const std::string& field);

/// A public address: not of a machine itself, a private network, a link, a group, or of nobody.
[[nodiscard]] bool is_public(const sockaddr& address) noexcept;

struct Call {
    std::string url;
    AllowedHosts allowed;
    std::vector<std::string> headers{};
    std::optional<std::string> body{};  ///< POSTed; none: a GET
    std::chrono::milliseconds timeout{10'000};
    /// Of the answer's body, where its status is 2xx; an error ends the call with it. Empty: what comes is dropped, at
    /// most 64 KiB of it.
    std::function<Result<void>(std::span<const char>)> take{};
    std::stop_token stop{};
};

/// The status of the answer. Certificates are checked. Errors: recording_unreachable, in words; cancelled; those of
/// `take`.
[[nodiscard]] Result<int> call(const Call& what);

}  // namespace hotmic::jobs
