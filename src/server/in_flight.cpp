#include "server/in_flight.hpp"

#include <cstddef>
#include <functional>
#include <stop_token>
#include <utility>
#include <vector>

#include "system/mutex.hpp"

namespace hotmic::server {

InFlight::Ticket::Ticket(InFlight& owner, std::function<bool()> gone) : owner_(owner) {
    const Lock lock(owner_.mutex_);
    entry_ = owner_.entries_.insert(owner_.entries_.end(), Entry{std::move(gone), {}});
}

InFlight::Ticket::~Ticket() {
    const Lock lock(owner_.mutex_);
    owner_.entries_.erase(entry_);
}

void InFlight::sweep() {
    std::vector<std::stop_source> gone;
    {
        const Lock lock(mutex_);
        for (auto& entry : entries_) {
            if (entry.gone()) gone.push_back(entry.stop);
        }
    }
    for (auto& stop : gone) stop.request_stop();  // outside the lock: callbacks run here
}

void InFlight::stop_all() {
    std::vector<std::stop_source> all;
    {
        const Lock lock(mutex_);
        for (auto& entry : entries_) all.push_back(entry.stop);
    }
    for (auto& stop : all) stop.request_stop();
}

std::size_t InFlight::size() const {
    const Lock lock(mutex_);
    return entries_.size();
}

}  // namespace hotmic::server
