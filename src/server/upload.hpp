/// Recordings on their way in: small ones in memory, larger ones in files without a name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/media_bytes.hpp"
#include "server/http/budget.hpp"
#include "store/descriptor.hpp"

namespace hotmic::server {

/// The folder of those files, and how many bytes they may have together. Any thread.
///
/// The files have no name, so that nobody else finds them and nothing is left of them, however the server ends.
/// Writing goes to the kernel's memory and is done by the I/O loops, as web servers do; a disk that is slower than the
/// network holds up the loops that write to it.
class Spool {
public:
    /// Makes `folder` for this user alone where it does not exist, and tries it. Empty: $TMPDIR, else /var/tmp, which
    /// is on a disk where /tmp is not. Errors: io_error, disk_full.
    [[nodiscard]] static Result<std::shared_ptr<Spool>> open(const std::filesystem::path& folder, std::uint64_t most);
    /// Without a folder: uploads stay in memory.
    explicit Spool(std::uint64_t most) : budget_(most, 0) {}

    [[nodiscard]] bool usable() const noexcept { return static_cast<bool>(folder_); }
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
    [[nodiscard]] http::Budget& budget() noexcept { return budget_; }
    [[nodiscard]] const http::Budget& budget() const noexcept { return budget_; }
    /// A new file, open for reading and writing. Errors: io_error, disk_full.
    [[nodiscard]] Result<store::Descriptor> create() const;

private:
    std::filesystem::path path_;
    store::Descriptor folder_;
    http::Budget budget_;
};

/// One recording while it comes. One thread at a time.
class Upload {
public:
    static constexpr std::size_t kMostInMemory = 1 << 20;

    /// `memory`: what is held for the request, which outlives this; what stays in memory is counted there.
    Upload(std::shared_ptr<Spool> spool, http::Budget::Share& memory) : spool_(std::move(spool)), memory_(memory) {}

    /// Errors: server_busy (there is no room for its bytes), disk_full, io_error. There is no way on after one.
    [[nodiscard]] Result<void> add(std::string_view bytes);
    /// All of it. Nothing may be added any more.
    [[nodiscard]] std::shared_ptr<const MediaBytes> finish() &&;

private:
    class File;

    [[nodiscard]] Result<void> move_to_disk();

    std::shared_ptr<Spool> spool_;
    http::Budget::Share& memory_;
    std::vector<std::byte> held_;
    std::shared_ptr<File> file_;  // null while it is small
};

}  // namespace hotmic::server
