/// Reading and writing open files whole, whatever interrupts it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace hotmic::system {

/// Reads from `position` on, whatever interrupts it. Returns how many bytes were read: fewer than `out.size()` only at
/// the end; -1 where the disk failed. Any thread, several at once on one descriptor.
[[nodiscard]] std::int64_t read_at(int descriptor, std::uint64_t position, std::span<std::byte> out) noexcept;

/// Writes all of it at the descriptor's own place. False where the disk, or whoever reads, failed: errno says how, and
/// some of it may have been written.
[[nodiscard]] bool write_all(int descriptor, std::span<const std::byte> bytes) noexcept;

}  // namespace hotmic::system
