#include "system/heap.hpp"

#include <malloc.h>

#include "hotmic/units.hpp"

namespace hotmic::system {

void give_back_large_blocks(Bytes size) noexcept {
    constexpr int kMostKept = 16 << 20;
    mallopt(M_MMAP_THRESHOLD, static_cast<int>(size.count()));
    mallopt(M_TRIM_THRESHOLD, kMostKept);  // else the end of the heap goes back and comes again with every small array
}

void trim_heap() noexcept {
    malloc_trim(0);
}

void share_one_heap() noexcept {
    mallopt(M_ARENA_MAX, 1);
}

}  // namespace hotmic::system
