#include "server/http/receive_buffer.hpp"

#include <algorithm>
#include <cstddef>
#include <span>

namespace hotmic::http {

ReceiveBuffer::Room ReceiveBuffer::make_room() {
    if (used_ < bytes_.size()) return Room::made;
    const auto size = std::min(bytes_.size() * 4, most_);
    if (size <= bytes_.size()) return Room::full;
    if (!share_.resize(size)) return Room::no_room;
    bytes_.resize(size);
    return Room::made;
}

void ReceiveBuffer::use(std::size_t bytes) {
    const auto held = std::span(bytes_).first(used_);
    std::ranges::copy(held.subspan(bytes), held.begin());
    used_ -= bytes;
}

void ReceiveBuffer::shrink() {
    if (bytes_.size() <= kSmall || used_ > kSmall) return;
    bytes_.resize(kSmall);
    bytes_.shrink_to_fit();
    (void)share_.resize(0);
}

}  // namespace hotmic::http
