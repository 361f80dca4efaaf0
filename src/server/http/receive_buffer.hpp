/// What a connection has read and not used yet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "server/http/budget.hpp"

namespace hotmic::http {

/// Small between requests, and up to `most` bytes large within one; what is beyond the first size is counted in the
/// budget, which must outlive the buffer.
class ReceiveBuffer {
public:
    static constexpr std::size_t kSmall = 4 << 10;

    ReceiveBuffer(Budget& budget, std::size_t most) : most_(most), share_(budget), bytes_(kSmall) {}

    enum class Room : std::uint8_t {
        made,     ///< `free` is not empty
        full,     ///< it is as large as it may be
        no_room,  ///< too much is held for clients
    };
    [[nodiscard]] Room make_room();
    /// Where to read to; say `received` when that was done.
    [[nodiscard]] std::span<char> free() noexcept { return std::span(bytes_).subspan(used_); }
    void received(std::size_t bytes) noexcept { used_ += bytes; }

    /// What was received and not used.
    [[nodiscard]] std::string_view bytes() const noexcept { return {bytes_.data(), used_}; }
    [[nodiscard]] bool empty() const noexcept { return used_ == 0; }
    /// The first so many bytes are done with.
    void use(std::size_t bytes);

    /// Gives back what the next request does not need.
    void shrink();
    /// What was received is of no use any more; `scratch` is where to read what nobody wants.
    void forget() noexcept { used_ = 0; }
    [[nodiscard]] std::span<char> scratch() noexcept { return bytes_; }
    /// The connection is closed: nothing of this is counted any more.
    void close() noexcept { share_ = {}; }

private:
    const std::size_t most_;
    Budget::Share share_;  // of what `bytes_` has beyond kSmall
    std::vector<char> bytes_;
    std::size_t used_ = 0;
};

}  // namespace hotmic::http
