/// Who may ask for what, and how much, by API keys.
///
/// Keys come from `server.keys_file`, where each has a name, scopes and limits (config/keys_file.hpp), and from
/// `server.api_keys` and `server.admin_key`: those are named after their place, and good for transcribe or admin. Held
/// are digests only.
///
/// What needs a key:
/// - transcribe: as soon as there are `server.api_keys` or a `server.keys_file`, be it an empty one;
/// - admin: as soon as a key has that scope; until then it is for programs on this machine only;
/// - metrics: as soon as a key has that scope; until then they are open.
/// A key that has expired still counts as one, so nothing opens by waiting.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "config/keys_file.hpp"
#include "hotmic/error.hpp"
#include "server/clients.hpp"
#include "server/http/message.hpp"
#include "system/mutex.hpp"

namespace hotmic::server {

using config::Scope;

/// Any thread.
class Keys {
public:
    /// What the time is.
    struct Clocks {
        std::function<http::Clock::time_point()> steady = http::Clock::now;
        std::function<std::chrono::system_clock::time_point()> wall = std::chrono::system_clock::now;
    };

    /// Errors: config_invalid, with the place in the file.
    [[nodiscard]] static Result<std::unique_ptr<Keys>> load(const config::Server& server, Clocks clocks);
    [[nodiscard]] static Result<std::unique_ptr<Keys>> load(const config::Server& server) { return load(server, {}); }
    /// Reads `server.keys_file` again. What is under way goes on, and counts for the key of the same name. Errors: as
    /// `load`; then all stays as it was.
    [[nodiscard]] Result<void> reload();

    /// Whoever may ask for `scope`; `request.caller` becomes the key's name. The key is in the header Authorization:
    /// Bearer KEY, else in api-key, as Azure's clients send it, else in X-EchoPanel-Token. Errors: unauthorized (no
    /// key, an unknown or an expired one), key_forbidden (it has not the scope).
    [[nodiscard]] Result<void> authorize(http::Request& request, Scope scope) const;
    /// The same for a WebSocket, for which a browser cannot set headers: there the key may also be a subprotocol
    /// "openai-insecure-api-key.KEY", or a parameter of the URL, api_key or token.
    [[nodiscard]] Result<void> authorize_socket(http::Request& request, Scope scope) const;
    /// For what is open to all: a key that is given has to be one. Errors: unauthorized.
    [[nodiscard]] Result<void> authorize_anybody(http::Request& request) const;

    /// Whose is what the request leaves here: "key:" and the caller's name; of a key of the configuration, which is
    /// named after a place that may change, a part of its digest. Empty without a key.
    [[nodiscard]] std::string owner(const http::Request& request) const;

    /// What begins recognition: one of the requests that `request.caller` has a minute, and one under way until the
    /// ticket is gone. Errors: rate_limited.
    [[nodiscard]] Result<Clients::Ticket> begin(const http::Request& request, Clients::What what);
    /// Adds x-ratelimit-limit-requests, -remaining-requests and -reset-requests where the caller has so many a minute;
    /// and Retry-After to a refusal for that.
    void tell_limits(const http::Request& request, http::Response& response) const;

    /// Whether a key has this scope.
    [[nodiscard]] bool has(Scope scope) const;
    /// Every key there is.
    [[nodiscard]] std::vector<config::ApiKey> all() const;

private:
    using Table = std::vector<config::ApiKey>;
    /// Requests that are left of a minute's, as of then; they come back evenly.
    struct Rate {
        double left = 0;
        http::Clock::time_point as_of{};
    };

    Keys(const config::Server& server, Clocks clocks) : server_(server), clocks_(std::move(clocks)) {}
    [[nodiscard]] Result<Table> read() const;
    [[nodiscard]] std::shared_ptr<const Table> table() const;
    [[nodiscard]] Result<void> check(http::Request& request, std::string_view key, Scope scope) const;
    /// Whoever is on this machine, but neither a page of another origin in a browser there, nor one that made the
    /// browser take it for ours by a name of its own, nor whoever comes through a proxy there. Errors: unauthorized.
    [[nodiscard]] Result<void> check_local(const http::Request& request) const;
    [[nodiscard]] bool is_open(Scope scope, const Table& keys) const;
    /// Fills up what has come back by now.
    Rate& rate_of(const config::ApiKey& key) const HOTMIC_REQUIRES(mutex_);

    const config::Server server_;
    const Clocks clocks_;
    Clients under_way_{0, 0};
    mutable Mutex mutex_;
    std::shared_ptr<const Table> table_ HOTMIC_GUARDED_BY(mutex_);
    mutable std::map<std::string, Rate> rates_ HOTMIC_GUARDED_BY(mutex_);
};

}  // namespace hotmic::server
