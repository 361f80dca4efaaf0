/// Memory that is resident only where it has been written to.
#pragma once

#include <cstddef>
#include <utility>

namespace hotmic::onnx {

/// Zeros, in pages of the kernel's that come with the first write to them and go with the buffer. So a buffer can be as
/// large as the worst case wants it and cost what is used.
class LazyBuffer {
public:
    LazyBuffer() = default;
    /// Throws std::bad_alloc.
    explicit LazyBuffer(std::size_t bytes);
    ~LazyBuffer();
    LazyBuffer(LazyBuffer&& other) noexcept { swap(other); }
    LazyBuffer& operator=(LazyBuffer&& other) noexcept {
        LazyBuffer(std::move(other)).swap(*this);
        return *this;
    }

    [[nodiscard]] void* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

private:
    void swap(LazyBuffer& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(bytes_, other.bytes_);
    }
    void* data_ = nullptr;
    std::size_t bytes_ = 0;
};

}  // namespace hotmic::onnx
