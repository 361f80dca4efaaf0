/// Encoded media in a file that is open.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "hotmic/media_bytes.hpp"
#include "system/descriptor.hpp"

namespace hotmic::audio {

class MediaFile : public MediaBytes {
public:
    /// `size`: the file's, or what of it is the media.
    MediaFile(system::Descriptor file, std::uint64_t size) : file_(std::move(file)), size_(size) {}
    /// All of the file; empty where the system does not tell its size.
    explicit MediaFile(system::Descriptor file);

    [[nodiscard]] std::uint64_t size() const noexcept final { return size_; }
    [[nodiscard]] std::int64_t read(std::uint64_t position, std::span<std::byte> out) const final;
    [[nodiscard]] int descriptor() const noexcept final { return file_.get(); }

protected:
    /// More of the media has been written, before anybody else reads it.
    void grow(std::uint64_t bytes) noexcept { size_ += bytes; }

private:
    const system::Descriptor file_;
    std::uint64_t size_ = 0;
};

}  // namespace hotmic::audio
