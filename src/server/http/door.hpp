/// Who may connect: how many connections there are, of whom, and which of them does nothing and can make room.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "server/http/limits.hpp"
#include "system/mutex.hpp"

namespace hotmic::http {

/// Thread-safe.
class Door {
public:
    /// A connection that is open.
    class Guest {
    public:
        Guest() = default;
        Guest(const Guest&) = delete;
        Guest& operator=(const Guest&) = delete;
        virtual ~Guest() = default;

        /// Since when it is owed nothing, in nanoseconds of the steady clock; 0: it is owed something. Any thread.
        [[nodiscard]] virtual std::int64_t idle_since() const noexcept = 0;
        /// Makes room. Any thread.
        virtual void leave() = 0;
    };

    class Place;
    /// Whether somebody may also have one of the places that are kept for probes.
    enum class Reserve : std::uint8_t { open, closed };

private:
    struct Seat {
        std::weak_ptr<Guest> guest;
        Place* place = nullptr;
    };

public:
    /// A place; given back when destroyed, or when its guest was asked to leave. The door must outlive it.
    class Place {
    public:
        Place(Door& door, std::string address, bool reserved)
            : door_(&door), address_(std::move(address)), reserved_(reserved) {}
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;
        ~Place();
        /// Who sits there.
        void sit(std::weak_ptr<Guest> guest);
        /// Beyond the limit: only what is always answered should be.
        [[nodiscard]] bool reserved() const noexcept { return reserved_; }

    private:
        friend class Door;
        Door* door_;
        std::string address_;
        bool reserved_;
        std::list<Seat>::iterator seat_{};
        bool seated_ = false;
        bool given_back_ = false;  // guarded by the door's mutex
    };

    explicit Door(const Limits& limits) : limits_(limits) {}

    /// Null where there is no room. Where it gets tight, for all or for this address, idle guests are asked to leave.
    [[nodiscard]] std::unique_ptr<Place> enter(const std::string& address, Reserve reserve);
    [[nodiscard]] std::size_t open() const noexcept { return open_; }
    /// Connections closed at once, or asked to leave for others.
    [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }
    [[nodiscard]] std::uint64_t evicted() const noexcept { return evicted_; }

private:
    void give_back(Place& place) HOTMIC_REQUIRES(mutex_);
    /// As many as one address may have, and so many more.
    [[nodiscard]] bool has_its_share(const std::string& address, std::size_t more) const HOTMIC_REQUIRES(mutex_);
    /// Of all, or of one address. Guests take the mutex to give their places back.
    bool ask_an_idle_one_to_leave(const std::string* address = nullptr) HOTMIC_EXCLUDES(mutex_);

    const Limits limits_;
    Mutex mutex_;
    std::map<std::string, std::size_t> by_address_ HOTMIC_GUARDED_BY(mutex_);
    std::list<Seat> seats_ HOTMIC_GUARDED_BY(mutex_);
    std::atomic<std::size_t> open_{0};
    std::atomic<std::uint64_t> refused_{0};
    std::atomic<std::uint64_t> evicted_{0};
};

}  // namespace hotmic::http
