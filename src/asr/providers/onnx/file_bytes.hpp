/// A file as bytes in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <stop_token>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"

namespace hotmic::onnx {

/// Mapped: only what is looked at is read from the disk, so a large file's structure costs little. A file that is cut
/// meanwhile ends the process; use it for a look, not for a load.
class MappedFile {
public:
    /// Errors: model_file_missing, model_file_unreadable, model_truncated (it is empty), model_unsupported (larger than
    /// the format allows).
    [[nodiscard]] static Result<MappedFile> open(const std::filesystem::path& path);
    ~MappedFile();
    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&&) = delete;
    MappedFile(const MappedFile&) = delete;

    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

private:
    explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
    std::span<const std::byte> bytes_;
};

/// Read whole. `done` and `total` are the load's so far and in all; `done` grows by the file's size. Errors: as
/// MappedFile::open, and io_error, load_cancelled.
[[nodiscard]] Result<std::vector<std::byte>> read_file(const std::filesystem::path& path, LoadProgress& progress,
                                                       const std::stop_token& stop, std::uint64_t& done,
                                                       std::uint64_t total);

}  // namespace hotmic::onnx
