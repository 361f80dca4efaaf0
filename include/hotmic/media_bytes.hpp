/// Encoded media, wherever it is held: a recording that was sent may be too large for memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"

namespace hotmic {

/// Does not change. Any thread, several at once.
class MediaBytes {
public:
    MediaBytes() = default;
    MediaBytes(const MediaBytes&) = delete;
    MediaBytes& operator=(const MediaBytes&) = delete;
    virtual ~MediaBytes() = default;

    /// Bytes.
    [[nodiscard]] virtual std::uint64_t size() const noexcept = 0;
    /// Reads from `position` on. Returns how many bytes were read: fewer than `out.size()` only at the end; -1 where
    /// the disk failed.
    [[nodiscard]] virtual std::int64_t read(std::uint64_t position, std::span<std::byte> out) const = 0;
    /// An open file that holds them and nothing else, as long as this object lives; -1: there is none.
    [[nodiscard]] virtual int descriptor() const noexcept { return -1; }
};

/// These bytes.
[[nodiscard]] std::shared_ptr<const MediaBytes> media_in_memory(std::vector<std::byte> bytes);
/// These bytes, which others may hold, too.
[[nodiscard]] std::shared_ptr<const MediaBytes> media_in_memory(std::shared_ptr<const std::vector<std::byte>> bytes);

/// As for media in a vector (hotmic/audio.hpp); also: io_error.
[[nodiscard]] Result<std::unique_ptr<AudioSource>> open_media(std::shared_ptr<const MediaBytes> bytes,
                                                              const DecodeLimits& limits = {},
                                                              const TrackChoice& choice = {});

/// Who decodes media: this process, or others that have nothing to lose. Any thread.
class MediaDecoder {
public:
    MediaDecoder() = default;
    MediaDecoder(const MediaDecoder&) = delete;
    MediaDecoder& operator=(const MediaDecoder&) = delete;
    virtual ~MediaDecoder() = default;

    /// As `open_media`.
    [[nodiscard]] virtual Result<std::unique_ptr<AudioSource>> open(std::shared_ptr<const MediaBytes> media,
                                                                    const DecodeLimits& limits,
                                                                    const TrackChoice& choice) = 0;
};

/// This process.
[[nodiscard]] std::shared_ptr<MediaDecoder> decoder_here();

}  // namespace hotmic
