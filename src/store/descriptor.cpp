#include "store/descriptor.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <format>
#include <span>
#include <string_view>

#include "hotmic/error.hpp"
#include "system/file_io.hpp"

namespace hotmic::store {

Error write_error(const std::filesystem::path& file, int number) {
    const auto what = std::format("{} cannot be written: {}", file.string(), std::strerror(number));
    switch (number) {
        case ENOSPC:
        case EDQUOT:
            return {ErrorCode::disk_full, what, "free space there, or set models_dir to a folder on a larger disk"};
        case EFBIG:
            return {ErrorCode::disk_full, what, "raise the limit on the size of files (`ulimit -f`)"};
        case EACCES:
        case EPERM:
        case EROFS:
            return {ErrorCode::io_error, what,
                    "run as a user who may write there, or set models_dir to a folder that may be written"};
        default:
            return {ErrorCode::io_error, what, "check the disk (dmesg)"};
    }
}

Result<void> write_all(const Descriptor& descriptor, std::span<const char> bytes, const std::filesystem::path& file) {
    if (!system::write_all(descriptor.get(), std::as_bytes(bytes))) return std::unexpected(write_error(file, errno));
    return {};
}

Result<void> replace_file(const std::filesystem::path& file, std::string_view text) {
    auto beside = file;
    beside += ".new";
    {
        const Descriptor out(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
        if (!out) return std::unexpected(write_error(beside, errno));
        if (auto written = write_all(out, std::span(text.data(), text.size()), beside); !written) return written;
        if (::fsync(out.get()) != 0) return std::unexpected(write_error(beside, errno));
    }
    if (::rename(beside.c_str(), file.c_str()) != 0) return std::unexpected(write_error(file, errno));
    return {};
}

Result<void> sync(const std::filesystem::path& path) {
    const Descriptor opened(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!opened || ::fsync(opened.get()) != 0) return std::unexpected(write_error(path, errno));
    return {};
}

}  // namespace hotmic::store
