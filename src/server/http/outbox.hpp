/// What a connection has still to send, for protocols that speak by themselves: in order, counted and bounded.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>

#include "server/http/budget.hpp"
#include "server/http/limits.hpp"
#include "server/http/message.hpp"

namespace hotmic::http {

/// One message is on its way at a time: whoever writes takes `front`, and says `sent` when it has gone. On the
/// connection's loop only.
class Outbox {
public:
    /// `share` outlives it; what waits is counted there.
    explicit Outbox(Budget::Share& share) : share_(share) {}

    enum class Put : std::uint8_t {
        first,    ///< it is the only one: to be written now
        waiting,  ///< behind others
        unread,   ///< not taken: the other side does not read
        no_room,  ///< not taken: too much is held for clients
    };
    [[nodiscard]] Put put(std::string message) {
        if (unread_ + message.size() > kMostUnread) return Put::unread;
        if (!share_.grow(message.size())) return Put::no_room;
        unread_ += message.size();
        messages_.push_back(std::move(message));
        if (messages_.size() > 1) return Put::waiting;
        moved_ = Clock::now();
        return Put::first;
    }
    [[nodiscard]] const std::string& front() const noexcept { return messages_.front(); }
    void sent() {
        moved_ = Clock::now();
        unread_ -= front().size();
        share_.shrink(front().size());
        messages_.pop_front();
    }

    [[nodiscard]] bool empty() const noexcept { return messages_.empty(); }
    [[nodiscard]] std::size_t unread() const noexcept { return unread_; }
    /// So much is unread that nothing more is read either.
    [[nodiscard]] bool is_full() const noexcept { return unread_ > kPauseReading; }
    /// Nothing of it was taken for so long.
    [[nodiscard]] bool stuck(std::chrono::milliseconds time) const {
        return !messages_.empty() && Clock::now() - moved_ > time;
    }

private:
    static constexpr std::size_t kPauseReading = 256 << 10;

    Budget::Share& share_;
    std::deque<std::string> messages_;
    std::size_t unread_ = 0;
    Clock::time_point moved_{};
};

}  // namespace hotmic::http
