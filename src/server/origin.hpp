/// For whom a request is, and from whose page: what a browser must not be talked into.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/http/message.hpp"

namespace hotmic::server {

/// The host of an authority, without port and brackets, in lower case.
[[nodiscard]] std::string host_of(std::string_view authority);

/// Whether `authority` can only mean this server: an address, localhost, this machine's name or one of `hosts`. Any
/// other name may be somebody's who has it resolve to this machine (DNS rebinding).
[[nodiscard]] bool is_own_host(std::string_view authority, const std::vector<std::string>& hosts);

/// Whether it is an address by which nobody on this machine reaches it over loopback: a proxy there passes on what its
/// clients ask for.
[[nodiscard]] bool is_address_elsewhere(std::string_view authority);

/// A proxy has passed it on.
[[nodiscard]] bool is_forwarded(const http::Request& request);

/// A browser sends it for a page that neither this server has served nor one of `origins` ("*": all).
[[nodiscard]] bool is_from_another_origin(const http::Request& request, const std::vector<std::string>& origins);

/// Lets pages of `origins` read the answer.
void allow_origin(const http::Request& request, const std::vector<std::string>& origins, http::Response& response);
/// Completes the answer to OPTIONS where it is a browser's question whether a page may.
void answer_preflight(const http::Request& request, const std::vector<std::string>& origins, http::Response& response);

}  // namespace hotmic::server
