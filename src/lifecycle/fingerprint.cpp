#include "lifecycle/fingerprint.hpp"

namespace hotmic {

FileFingerprint fingerprint_of(const std::filesystem::path& path) {
    std::error_code error;
    FileFingerprint print{.exists = std::filesystem::exists(path, error)};
    if (!print.exists) return print;
    if (const auto size = std::filesystem::file_size(path, error); !error) print.size = size;
    if (const auto time = std::filesystem::last_write_time(path, error); !error) print.modified = time;
    return print;
}

}  // namespace hotmic
