#include "server/admission.hpp"

#include <openssl/crypto.h>

#include <utility>

#include "server/origin.hpp"

namespace hotmic::server {

namespace {

std::string_view bearer(const http::Request& request) {
    constexpr std::string_view kScheme = "Bearer ";
    const auto header = request.header("authorization");
    return http::same_name(header.substr(0, kScheme.size()), kScheme) ? header.substr(kScheme.size())
                                                                      : std::string_view{};
}

}  // namespace

Result<void> authorize(const http::Request& request, const std::vector<std::string>& keys) {
    return check_key(bearer(request), keys);
}

std::string echopanel_key(const http::Request& request) {
    if (const auto key = bearer(request); !key.empty()) return std::string(key);
    if (const auto key = request.header("x-echopanel-token"); !key.empty()) return std::string(key);
    return request.parameter("token");
}

Result<void> check_key(std::string_view given, const std::vector<std::string>& keys) {
    if (keys.empty()) return {};
    bool known = false;
    for (const auto& key : keys) {
        known |= given.size() == key.size() && CRYPTO_memcmp(given.data(), key.data(), key.size()) == 0;
    }
    if (known) return {};
    return fail(ErrorCode::unauthorized, given.empty() ? "no API key was given" : "the API key is not known",
                "send the header Authorization: Bearer KEY with a key of server.api_keys");
}

Result<void> authorize_admin(const http::Request& request, const config::Server& server) {
    if (!server.admin_key.empty()) return authorize(request, {server.admin_key});
    if (request.from_this_machine && !is_forwarded(request) && is_own_host(request.host, server.hosts) &&
        !is_address_elsewhere(request.host) && !is_from_another_origin(request, server.cors_origins))
        return {};
    return fail(ErrorCode::unauthorized,
                "without server.admin_key, admin requests are taken from this machine only: not through a proxy, nor "
                "from pages of other origins",
                "set server.admin_key, and send it as Authorization: Bearer KEY");
}

InFlight::Ticket::Ticket(InFlight& owner, std::function<bool()> gone) : owner_(owner) {
    const std::scoped_lock lock(owner_.mutex_);
    entry_ = owner_.entries_.insert(owner_.entries_.end(), Entry{std::move(gone), {}});
}

InFlight::Ticket::~Ticket() {
    const std::scoped_lock lock(owner_.mutex_);
    owner_.entries_.erase(entry_);
}

void InFlight::sweep() {
    std::vector<std::stop_source> gone;
    {
        const std::scoped_lock lock(mutex_);
        for (auto& entry : entries_) {
            if (entry.gone()) gone.push_back(entry.stop);
        }
    }
    for (auto& stop : gone) stop.request_stop();  // outside the lock: callbacks run here
}

void InFlight::stop_all() {
    std::vector<std::stop_source> all;
    {
        const std::scoped_lock lock(mutex_);
        for (auto& entry : entries_) all.push_back(entry.stop);
    }
    for (auto& stop : all) stop.request_stop();
}

std::size_t InFlight::size() const {
    const std::scoped_lock lock(mutex_);
    return entries_.size();
}

}  // namespace hotmic::server
