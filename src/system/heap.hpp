/// How the heap of this process gives memory back to the machine.
#pragma once

#include <cstddef>

namespace hotmic::system {

/// Freed blocks of at least `bytes` go back at once. By itself the C library learns from the first such block to keep
/// its like.
void give_back_large_blocks(std::size_t bytes) noexcept;

/// One heap for all threads: what one has freed is there for the others. For a process that computes on few large
/// arrays; call it before the first thread starts.
void share_one_heap() noexcept;

}  // namespace hotmic::system
