/// Writing to files so that nothing is lost.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <span>
#include <string_view>

#include "hotmic/error.hpp"
#include "system/descriptor.hpp"

namespace hotmic::store {

using system::Descriptor;

/// What went wrong with writing to `file`, from `errno`: disk_full or io_error, with what to do.
[[nodiscard]] Error write_error(const std::filesystem::path& file, int number);
/// Writes all of it. Errors: disk_full, io_error.
[[nodiscard]] Result<void> write_all(const Descriptor& descriptor, std::span<const char> bytes,
                                     const std::filesystem::path& file);
/// Writes a small file whole: beside, synced, renamed. Errors: disk_full, io_error.
[[nodiscard]] Result<void> replace_file(const std::filesystem::path& file, std::string_view text);
/// So that a file or folder (what it holds, under which names) survives a loss of power. Errors: io_error, disk_full.
[[nodiscard]] Result<void> sync(const std::filesystem::path& path);

}  // namespace hotmic::store
