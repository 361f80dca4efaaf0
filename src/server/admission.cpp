#include "server/admission.hpp"

#include <openssl/crypto.h>
#include <trantor/net/TcpConnection.h>

namespace hotmic::server {

namespace {

std::string_view bearer(const drogon::HttpRequestPtr& request) {
    constexpr std::string_view kScheme = "Bearer ";
    const std::string_view header = request->getHeader("authorization");
    return header.starts_with(kScheme) ? header.substr(kScheme.size()) : std::string_view{};
}

}  // namespace

Result<void> authorize(const drogon::HttpRequestPtr& request, const std::vector<std::string>& keys) {
    return check_key(bearer(request), keys);
}

std::string_view echopanel_key(const drogon::HttpRequestPtr& request) {
    if (const auto key = bearer(request); !key.empty()) return key;
    if (const auto& key = request->getHeader("x-echopanel-token"); !key.empty()) return key;
    return request->getParameter("token");
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

Result<void> authorize_admin(const drogon::HttpRequestPtr& request, const std::string& key) {
    if (!key.empty()) return authorize(request, {key});
    const auto& origin = request->getHeader("origin");
    const bool from_elsewhere = !origin.empty() && origin != "http://" + request->getHeader("host");
    if (request->peerAddr().isLoopbackIp() && !from_elsewhere) return {};
    return fail(ErrorCode::unauthorized, "without server.admin_key, admin requests are taken from this machine only",
                "set server.admin_key, and send it as Authorization: Bearer KEY");
}

InFlight::Ticket::Ticket(InFlight& owner, const drogon::HttpRequestPtr& request) : owner_(owner) {
    const std::scoped_lock lock(owner_.mutex_);
    entry_ = owner_.entries_.insert(owner_.entries_.end(), Entry{request->getConnectionPtr(), {}});
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
            const auto connection = entry.connection.lock();
            if (connection == nullptr || !connection->connected()) gone.push_back(entry.stop);
        }
    }
    for (auto& stop : gone) stop.request_stop();  // outside the lock: callbacks run here
}

std::size_t InFlight::size() const {
    const std::scoped_lock lock(mutex_);
    return entries_.size();
}

}  // namespace hotmic::server
