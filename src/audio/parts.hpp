/// Recordings that somebody joined by appending one file to another.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "audio/byte_stream.hpp"

namespace hotmic::audio {

/// Where a recording lies in a file, in bytes.
struct Part {
    std::int64_t begin = 0;
    std::int64_t end = 0;
};

/// The recordings in a file, in order; one for a file that is nothing else. WAV, MP4 and Matroska files have an end,
/// and players stop there, though another may follow. What has no such end (mp3, aac, ogg, flac) is read to the end of
/// the file anyway. At most a thousand.
[[nodiscard]] std::vector<Part> parts_of(ByteStream& stream);

/// That part of a stream, as a stream.
[[nodiscard]] std::unique_ptr<ByteStream> part_of(std::unique_ptr<ByteStream> whole, const Part& part);

}  // namespace hotmic::audio
