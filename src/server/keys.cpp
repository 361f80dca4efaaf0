#include "server/keys.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <format>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "config/keys_file.hpp"
#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "server/clients.hpp"
#include "server/http/fields.hpp"
#include "server/http/message.hpp"
#include "server/http/socket.hpp"
#include "server/origin.hpp"
#include "system/mutex.hpp"
#include "text/hex.hpp"
#include "text/trimmed.hpp"

namespace hotmic::server {
namespace {

using config::ApiKey;
using config::KeyDigest;

constexpr double kMinute = 60;
/// Of a request: what sums of fractions may lack.
constexpr double kRounding = 1e-6;

std::string_view bearer(const http::Request& request) {
    constexpr std::string_view kScheme = "Bearer ";
    const auto header = request.header("authorization");
    return http::same_name(header.substr(0, kScheme.size()), kScheme) ? trimmed(header.substr(kScheme.size()))
                                                                      : std::string_view{};
}

std::string key_of(const http::Request& request) {
    for (const auto key :
         {bearer(request), trimmed(request.header("api-key")), trimmed(request.header("x-echopanel-token"))}) {
        if (!key.empty()) return std::string(key);
    }
    return {};
}

std::string key_of_socket(const http::Request& request) {
    if (auto key = key_of(request); !key.empty()) return key;
    constexpr std::string_view kPrefix = "openai-insecure-api-key.";
    for (const std::string_view offered : http::offered_subprotocols(request)) {
        if (offered.starts_with(kPrefix)) return std::string(offered.substr(kPrefix.size()));
    }
    for (const auto* name : {"api_key", "token"}) {
        if (auto key = request.parameter(name); !key.empty()) return key;
    }
    return {};
}

/// In time that does not depend on which key it is, nor on how much of it is right.
const ApiKey* find(const std::vector<ApiKey>& keys, std::string_view given) {
    const auto digest = config::digest_of(given);
    const ApiKey* found = nullptr;
    for (const auto& key : keys) {
        for (const auto& known : key.digests) {
            if (CRYPTO_memcmp(digest.data(), known.data(), known.size()) == 0) found = &key;
        }
    }
    return found;
}

const ApiKey* named(const std::vector<ApiKey>& keys, std::string_view name) {
    const auto found = std::ranges::find(keys, name, &ApiKey::name);
    return found == keys.end() ? nullptr : &*found;
}

std::string scopes_of(const ApiKey& key) {
    std::string text;
    for (const auto scope : key.scopes) text += (text.empty() ? "" : ", ") + std::string(to_string(scope));
    return text;
}

/// As OpenAI writes it: "1.5s", "6m0s".
std::string duration(double seconds) {
    if (seconds < kMinute) return std::format("{}s", std::max(0.0, std::ceil((seconds - kRounding) * 1000) / 1000));
    const auto whole = static_cast<std::int64_t>(std::ceil(seconds));
    return std::format("{}m{}s", whole / 60, whole % 60);
}

}  // namespace

Result<std::unique_ptr<Keys>> Keys::load(const config::Server& server, Clocks clocks) {
    std::unique_ptr<Keys> keys(new Keys(server, std::move(clocks)));
    if (auto read = keys->reload(); !read) return std::unexpected(std::move(read).error());
    return keys;
}

Result<void> Keys::reload() {
    auto fresh = read();
    if (!fresh) return std::unexpected(std::move(fresh).error());
    const Lock lock(mutex_);
    table_ = std::make_shared<const Table>(*std::move(fresh));
    std::erase_if(rates_,
                  [&](const auto& rate) HOTMIC_REQUIRES(mutex_) { return named(*table_, rate.first) == nullptr; });
    return {};
}

Result<Keys::Table> Keys::read() const {
    Table keys;
    if (!server_.keys_file.empty()) {
        auto loaded = config::load_keys(server_.keys_file);
        if (!loaded) return loaded;
        keys = *std::move(loaded);
    }
    const auto from_file = std::ssize(keys);
    const auto add = [&](std::string name, std::string_view key, Scope scope) -> Result<void> {
        const auto* same = find(keys, key);
        if (same == nullptr) {
            keys.push_back({.name = std::move(name), .digests = {config::digest_of(key)}, .scopes = {scope}});
        } else if (same - keys.data() < from_file) {
            return fail(ErrorCode::config_invalid,
                        std::format("{} is also keys.{} in {}: one key cannot be two", name, same->name,
                                    server_.keys_file.string()),
                        "keep it in one of them", "server.keys_file");
        }
        return {};
    };
    for (std::size_t i = 0; i < server_.api_keys.size(); ++i) {
        if (auto added = add(std::format("server.api_keys.{}", i + 1), server_.api_keys[i], Scope::transcribe); !added)
            return std::unexpected(std::move(added).error());
    }
    if (!server_.admin_key.empty()) {
        if (auto added = add("server.admin_key", server_.admin_key, Scope::admin); !added)
            return std::unexpected(std::move(added).error());
    }
    return keys;
}

std::shared_ptr<const Keys::Table> Keys::table() const {
    const Lock lock(mutex_);
    return table_;
}

bool Keys::is_open(Scope scope, const Table& keys) const {
    if (scope == Scope::transcribe) return server_.api_keys.empty() && server_.keys_file.empty();
    return std::ranges::none_of(keys, [&](const ApiKey& key) { return key.may(scope); });
}

bool Keys::has(Scope scope) const {
    return std::ranges::any_of(*table(), [&](const ApiKey& key) { return key.may(scope); });
}

std::vector<ApiKey> Keys::all() const {
    return *table();
}

Result<void> Keys::authorize(http::Request& request, Scope scope) const {
    return check(request, key_of(request), scope);
}

Result<void> Keys::authorize_socket(http::Request& request, Scope scope) const {
    return check(request, key_of_socket(request), scope);
}

Result<void> Keys::authorize_anybody(http::Request& request) const {
    const auto key = key_of_socket(request);
    const auto keys = table();
    if (const auto* known = key.empty() ? nullptr : find(*keys, key)) {
        request.caller = known->name;
        // An expired one is told as everywhere.
        return check(request, key, known->scopes.front());
    }
    if (key.empty() || is_open(Scope::transcribe, *keys)) return {};
    return fail(ErrorCode::unauthorized, "the API key is not known", "send one that is, or none");
}

Result<void> Keys::check(http::Request& request, std::string_view key, Scope scope) const {
    const auto keys = table();
    const auto* known = key.empty() ? nullptr : find(*keys, key);
    if (known != nullptr) request.caller = known->name;
    if (is_open(scope, *keys)) return scope == Scope::admin ? check_local(request) : Result<void>{};
    if (known == nullptr) {
        const auto authorization = request.header("authorization");
        return fail(ErrorCode::unauthorized,
                    !key.empty()            ? "the API key is not known"
                    : authorization.empty() ? "no API key was given"
                                            : "no API key was given: the header Authorization is not Bearer KEY",
                    std::format("send the header Authorization: Bearer KEY with a key of this server that has the "
                                "scope {}",
                                to_string(scope)));
    }
    if (known->expires && clocks_.wall() >= *known->expires) {
        return fail(ErrorCode::unauthorized,
                    std::format("the API key {} has expired, on {:%FT%TZ}", known->name, *known->expires),
                    "ask whoever runs this server for a new one");
    }
    if (!known->may(scope)) {
        return fail(ErrorCode::key_forbidden,
                    std::format("the API key {} has not the scope {}; it has {}", known->name, to_string(scope),
                                scopes_of(*known)),
                    "use a key that has it");
    }
    return {};
}

Result<void> Keys::check_local(const http::Request& request) const {
    if (request.from_this_machine && !is_forwarded(request) && is_own_host(request.host, server_.hosts) &&
        !is_address_elsewhere(request.host) && !is_from_another_origin(request, server_.cors_origins))
        return {};
    return fail(ErrorCode::unauthorized,
                "without server.admin_key, admin requests are taken from this machine only: not through a proxy, nor "
                "from pages of other origins",
                "set server.admin_key, or a key with the scope admin in server.keys_file, and send it as "
                "Authorization: Bearer KEY");
}

std::string Keys::owner(const http::Request& request) const {
    constexpr std::size_t kPart = 16;
    const auto keys = table();
    const auto* key = named(*keys, request.caller);
    if (key == nullptr) return {};
    return "key:" + (config::is_key_name(key->name) ? key->name : hex_of(key->digests.front()).substr(0, kPart));
}

Keys::Rate& Keys::rate_of(const ApiKey& key) const {
    const double most = key.requests_per_minute;
    const auto now = clocks_.steady();
    auto [found, fresh] = rates_.try_emplace(key.name, Rate{most, now});
    auto& rate = found->second;
    const double seconds = to_s(now - rate.as_of);
    rate.left = std::clamp(rate.left + seconds * most / kMinute, 0.0, most);
    rate.as_of = now;
    return rate;
}

Result<Clients::Ticket> Keys::begin(const http::Request& request, Clients::What what) {
    const auto keys = table();
    const auto* key = named(*keys, request.caller);
    if (key == nullptr) return Clients::Ticket{};
    const bool is_request = what == Clients::What::request;
    const auto most = is_request ? key->max_requests : key->max_streams;
    auto ticket = under_way_.admit(key->name, what, most);
    if (!ticket) {
        return fail(ErrorCode::rate_limited,
                    std::format("the API key {} has {} {} under way, and may have no more", key->name, most,
                                is_request ? "requests" : "streams"),
                    "wait for one of them to end");
    }
    if (key->requests_per_minute == 0) return *std::move(ticket);
    const Lock lock(mutex_);
    auto& rate = rate_of(*key);
    if (rate.left < 1 - kRounding) {
        return fail(
            ErrorCode::rate_limited,
            std::format("the API key {} may begin {} requests a minute, and has", key->name, key->requests_per_minute),
            "wait as long as Retry-After says");
    }
    rate.left = std::max(rate.left - 1, 0.0);
    return *std::move(ticket);
}

void Keys::tell_limits(const http::Request& request, http::Response& response) const {
    if (request.caller.empty()) return;
    const auto keys = table();
    const auto* key = named(*keys, request.caller);
    if (key == nullptr) return;
    double wait = 1;
    if (const double most = key->requests_per_minute; most > 0) {
        const Lock lock(mutex_);
        const double left = rate_of(*key).left;
        response.headers.set("x-ratelimit-limit-requests", std::to_string(key->requests_per_minute));
        response.headers.set("x-ratelimit-remaining-requests",
                             std::to_string(static_cast<std::uint64_t>(left + kRounding)));
        response.headers.set("x-ratelimit-reset-requests", duration((most - left) * kMinute / most));
        wait = std::max(wait, (1 - left - kRounding) * kMinute / most);
    }
    if (response.headers.get("x-hotmic-error") == to_string(ErrorCode::rate_limited))
        response.headers.set("Retry-After", std::to_string(static_cast<std::int64_t>(std::ceil(wait))));
}

}  // namespace hotmic::server
