/// Seekable bytes that media is read from: an upload in memory or on disk, or a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/media_bytes.hpp"

namespace hotmic::audio {

class ByteStream {
public:
    virtual ~ByteStream() = default;
    /// Reads up to `out.size()` bytes; 0 at the end, -1 on an I/O error.
    virtual std::int64_t read(std::span<std::uint8_t> out) = 0;
    /// Moves to an absolute position; false when that is outside the stream.
    virtual bool seek(std::int64_t position) = 0;
    [[nodiscard]] virtual std::int64_t position() const = 0;
    [[nodiscard]] virtual std::int64_t size() const = 0;
};

[[nodiscard]] std::unique_ptr<ByteStream> stream_of(std::shared_ptr<const std::vector<std::byte>> bytes);
[[nodiscard]] std::unique_ptr<ByteStream> stream_of(std::shared_ptr<const MediaBytes> bytes);
/// Errors: io_error.
[[nodiscard]] Result<std::unique_ptr<ByteStream>> stream_of_file(const std::filesystem::path& path);

}  // namespace hotmic::audio
