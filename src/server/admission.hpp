/// Who may come in, how much, and what ends when a client goes away.
#pragma once

#include <drogon/HttpRequest.h>

#include <atomic>
#include <list>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "hotmic/error.hpp"

namespace hotmic::server {

/// Checks "Authorization: Bearer KEY" against the configured keys, in time that does not depend on how much of a key is
/// right. No keys: everybody may. Errors: unauthorized.
[[nodiscard]] Result<void> authorize(const drogon::HttpRequestPtr& request, const std::vector<std::string>& keys);

/// The same for a key that came another way.
[[nodiscard]] Result<void> check_key(std::string_view key, const std::vector<std::string>& keys);

/// The key of an EchoPanel client: Authorization: Bearer KEY, else X-EchoPanel-Token, else ?token=. Empty without one.
[[nodiscard]] std::string_view echopanel_key(const drogon::HttpRequestPtr& request);

/// Whoever has the admin key; where there is none, whoever is on this machine, but no page of another origin in a
/// browser there. Errors: unauthorized.
[[nodiscard]] Result<void> authorize_admin(const drogon::HttpRequestPtr& request, const std::string& key);

/// Requests being recognized, each with its connection. `sweep` asks those to stop whose client has gone.
class InFlight {
public:
    /// One request; leaves the list when destroyed.
    class Ticket {
    public:
        Ticket(InFlight& owner, const drogon::HttpRequestPtr& request);
        ~Ticket();
        Ticket(const Ticket&) = delete;
        Ticket& operator=(const Ticket&) = delete;
        [[nodiscard]] std::stop_token stop() const { return entry_->stop.get_token(); }

    private:
        friend class InFlight;
        struct Entry {
            std::weak_ptr<trantor::TcpConnection> connection;
            std::stop_source stop;
        };
        InFlight& owner_;
        std::list<Entry>::iterator entry_;
    };

    void sweep();
    [[nodiscard]] std::size_t size() const;

private:
    mutable std::mutex mutex_;
    std::list<Ticket::Entry> entries_;
};

}  // namespace hotmic::server
