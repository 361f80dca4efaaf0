#include "lifecycle/fingerprint.hpp"

#include <algorithm>
#include <filesystem>
#include <format>
#include <functional>
#include <string>
#include <system_error>

namespace hotmic {

namespace {

/// What is in a folder: a file that is mended in place changes neither the folder's time nor its size.
void add_folder(const std::filesystem::path& path, FileFingerprint& print) {
    constexpr int kMostFiles = 10'000;  // somebody's whole disk is no model
    std::error_code error;
    std::filesystem::recursive_directory_iterator at(path, error);
    for (int files = 0; !error && at != std::filesystem::recursive_directory_iterator() && files < kMostFiles;
         ++files) {
        std::error_code gone;  // while we look
        if (at->is_regular_file(gone)) {
            const auto size = at->file_size(gone);
            const auto time = at->last_write_time(gone);
            print.size += size;
            print.modified = std::max(print.modified, time);
            // The order in which a folder lists its files says nothing.
            const auto name = at->path().lexically_relative(path).string();
            print.contents +=
                std::hash<std::string>{}(std::format("{} {} {}", name, size, time.time_since_epoch().count()));
        }
        at.increment(error);
    }
}

}  // namespace

FileFingerprint fingerprint_of(const std::filesystem::path& path) {
    std::error_code error;
    FileFingerprint print{.exists = std::filesystem::exists(path, error)};
    if (!print.exists) return print;
    if (std::filesystem::is_directory(path, error)) {
        add_folder(path, print);
        return print;
    }
    if (const auto size = std::filesystem::file_size(path, error); !error) print.size = size;
    if (const auto time = std::filesystem::last_write_time(path, error); !error) print.modified = time;
    return print;
}

}  // namespace hotmic
