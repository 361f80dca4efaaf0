/// What identifies a file's content cheaply: a permanent failure is not tried again while it is the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace hotmic {

struct FileFingerprint {
    bool exists = false;
    std::uintmax_t size = 0;  ///< of a folder: of all files in it
    std::filesystem::file_time_type modified{};
    std::size_t contents = 0;  ///< of a folder: its files' names, sizes and times
    friend bool operator==(const FileFingerprint&, const FileFingerprint&) = default;
};

/// Asks the file system, so it may take as long as a network share does.
[[nodiscard]] FileFingerprint fingerprint_of(const std::filesystem::path& path);

}  // namespace hotmic
