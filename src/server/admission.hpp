/// Who may come in, how much, and what ends when a client goes away.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "hotmic/error.hpp"
#include "server/http/message.hpp"

namespace hotmic::server {

/// Checks "Authorization: Bearer KEY" against the configured keys, in time that does not depend on how much of a key is
/// right. No keys: everybody may. Errors: unauthorized.
[[nodiscard]] Result<void> authorize(const http::Request& request, const std::vector<std::string>& keys);

/// The same for a key that came another way.
[[nodiscard]] Result<void> check_key(std::string_view key, const std::vector<std::string>& keys);

/// The key of an EchoPanel client: Authorization: Bearer KEY, else X-EchoPanel-Token, else ?token=. Empty without one.
[[nodiscard]] std::string echopanel_key(const http::Request& request);

/// Whoever has the admin key. Where there is none, whoever is on this machine, but neither a page of another origin in
/// a browser there, nor one that made the browser take it for ours by a name of its own, nor whoever comes through a
/// proxy there. Errors: unauthorized.
[[nodiscard]] Result<void> authorize_admin(const http::Request& request, const config::Server& server);

/// Recordings being recognized, each with a way to tell whether anybody still wants it. `sweep` asks those to stop that
/// nobody does.
class InFlight {
public:
    /// One request; leaves the list when destroyed.
    class Ticket {
    public:
        /// `gone` must not block.
        Ticket(InFlight& owner, std::function<bool()> gone);
        ~Ticket();
        Ticket(const Ticket&) = delete;
        Ticket& operator=(const Ticket&) = delete;
        [[nodiscard]] std::stop_token stop() const { return entry_->stop.get_token(); }

    private:
        friend class InFlight;
        struct Entry {
            std::function<bool()> gone;
            std::stop_source stop;
        };
        InFlight& owner_;
        std::list<Entry>::iterator entry_;
    };

    void sweep();
    /// Asks all of them to stop: the server ends.
    void stop_all();
    [[nodiscard]] std::size_t size() const;

private:
    mutable std::mutex mutex_;
    std::list<Ticket::Entry> entries_;
};

}  // namespace hotmic::server
