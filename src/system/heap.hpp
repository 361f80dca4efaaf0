/// How the heap of this process gives memory back to the machine.
#pragma once

#include "hotmic/units.hpp"

namespace hotmic::system {

/// Freed blocks of at least `size` go back at once. By itself the C library learns from the first such block to keep
/// its like.
void give_back_large_blocks(Bytes size) noexcept;

/// Gives free pages back to the kernel now, so that `resident_memory` tells what is really in use.
void trim_heap() noexcept;

/// One heap for all threads: what one has freed is there for the others. For a process that computes on few large
/// arrays; call it before the first thread starts.
void share_one_heap() noexcept;

}  // namespace hotmic::system
