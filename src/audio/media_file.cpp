#include "audio/media_file.hpp"

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "system/descriptor.hpp"
#include "system/file_io.hpp"

namespace hotmic::audio {

MediaFile::MediaFile(system::Descriptor file) : file_(std::move(file)) {
    struct stat facts{};
    if (::fstat(file_.get(), &facts) == 0) size_ = static_cast<std::uint64_t>(facts.st_size);
}

std::int64_t MediaFile::read(std::uint64_t position, std::span<std::byte> out) const {
    return system::read_at(file_.get(), position, out);
}

}  // namespace hotmic::audio
