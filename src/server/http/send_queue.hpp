/// What a connection has still to send of its answer.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "server/http/message.hpp"

namespace hotmic::http {

/// One write is on its way at a time: whoever writes takes `front`, and says `sent` when a part of it has gone. How
/// many bytes there are is bounded and counted by whoever makes the answer.
class SendQueue {
public:
    /// True where nothing else waits: it is to be written now.
    [[nodiscard]] bool put(std::string bytes) {
        pieces_.push_back(std::move(bytes));
        if (pieces_.size() > 1) return false;
        moved_ = Clock::now();
        return true;
    }
    /// Not sent yet of the piece whose turn it is.
    [[nodiscard]] std::string_view front() const noexcept { return std::string_view(pieces_.front()).substr(sent_); }
    void sent(std::size_t bytes) {
        moved_ = Clock::now();
        sent_ += bytes;
        if (sent_ < pieces_.front().size()) return;
        pieces_.pop_front();
        sent_ = 0;
    }

    [[nodiscard]] bool empty() const noexcept { return pieces_.empty(); }
    /// Nothing of it was taken for so long.
    [[nodiscard]] bool stuck(std::chrono::milliseconds time) const {
        return !pieces_.empty() && Clock::now() - moved_ > time;
    }

private:
    std::deque<std::string> pieces_;
    std::size_t sent_ = 0;  // of the first one
    Clock::time_point moved_{};
};

}  // namespace hotmic::http
