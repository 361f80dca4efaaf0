/// What identifies a file's content cheaply: a permanent failure is not tried again while it is the same.
#pragma once

#include <cstdint>
#include <filesystem>

namespace hotmic {

struct FileFingerprint {
    bool exists = false;
    std::uintmax_t size = 0;
    std::filesystem::file_time_type modified{};
    friend bool operator==(const FileFingerprint&, const FileFingerprint&) = default;
};

/// Asks the file system, so it may take as long as a network share does.
[[nodiscard]] FileFingerprint fingerprint_of(const std::filesystem::path& path);

}  // namespace hotmic
