/// What ends when a client goes away.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <stop_token>

#include "system/mutex.hpp"

namespace hotmic::server {

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
    mutable Mutex mutex_;
    std::list<Ticket::Entry> entries_ HOTMIC_GUARDED_BY(mutex_);
};

}  // namespace hotmic::server
