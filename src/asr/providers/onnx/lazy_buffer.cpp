#include "asr/providers/onnx/lazy_buffer.hpp"

#include <sys/mman.h>

#include <cstddef>
#include <new>

namespace hotmic::onnx {

LazyBuffer::LazyBuffer(std::size_t bytes) : bytes_(bytes) {
    if (bytes == 0) return;
    void* const mapped =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    data_ = mapped;
}

LazyBuffer::~LazyBuffer() {
    if (data_ != nullptr) munmap(data_, bytes_);
}

}  // namespace hotmic::onnx
