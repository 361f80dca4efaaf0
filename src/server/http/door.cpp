#include "server/http/door.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/http/limits.hpp"
#include "system/mutex.hpp"

namespace hotmic::http {

Door::Place::~Place() {
    const Lock lock(door_->mutex_);
    if (seated_) door_->seats_.erase(seat_);
    door_->give_back(*this);
}

void Door::Place::sit(std::weak_ptr<Guest> guest) {
    const Lock lock(door_->mutex_);
    seat_ = door_->seats_.insert(door_->seats_.end(), Seat{std::move(guest), this});
    seated_ = true;
}

void Door::give_back(Place& place) {
    if (std::exchange(place.given_back_, true)) return;
    if (--by_address_.at(place.address_) == 0) by_address_.erase(place.address_);
    --open_;
}

std::unique_ptr<Door::Place> Door::enter(const std::string& address, Reserve reserve) {
    const auto has_all = [&] {
        const Lock lock(mutex_);
        return has_its_share(address, 0);
    };
    while (has_all() && ask_an_idle_one_to_leave(&address)) {
    }
    while (open_ >= limits_.max_connections && ask_an_idle_one_to_leave()) {
    }
    const bool open = reserve == Reserve::open;
    const Lock lock(mutex_);
    if (open_ >= limits_.max_connections + (open ? kReserve : 0) ||
        has_its_share(address, open ? kReserveOfClient : 0)) {
        ++refused_;
        return nullptr;
    }
    const bool reserved = open_ >= limits_.max_connections || has_its_share(address, 0);
    ++by_address_[address];
    ++open_;
    return std::make_unique<Place>(*this, address, reserved);
}

bool Door::has_its_share(const std::string& address, std::size_t more) const {
    const auto found = by_address_.find(address);
    return limits_.max_connections_per_client != 0 && found != by_address_.end() &&
           found->second >= limits_.max_connections_per_client + more;
}

/// The one that has been idle for longest. One that is told to leave is no longer idle, so it is asked once; its place
/// is free at once, or a burst of connections would find none. False where nobody is idle.
bool Door::ask_an_idle_one_to_leave(const std::string* address) {
    std::vector<std::weak_ptr<Guest>> guests;
    {
        const Lock lock(mutex_);
        for (const auto& seat : seats_) {
            if (address == nullptr || seat.place->address_ == *address) guests.push_back(seat.guest);
        }
    }
    std::int64_t since = 0;
    std::shared_ptr<Guest> idlest;
    for (const auto& each : guests) {
        auto guest = each.lock();
        if (!guest) continue;
        const auto idle = guest->idle_since();
        if (idle == 0 || (idlest && idle >= since)) continue;
        since = idle;
        idlest = std::move(guest);
    }
    if (!idlest) return false;
    idlest->leave();
    ++evicted_;
    const Lock lock(mutex_);
    const auto seat = std::ranges::find_if(
        seats_, [&](const Seat& each) { return !each.guest.owner_before(idlest) && !idlest.owner_before(each.guest); });
    if (seat != seats_.end()) give_back(*seat->place);
    return true;
}

}  // namespace hotmic::http
