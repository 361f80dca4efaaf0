#include "server/upload.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <format>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "audio/media_file.hpp"
#include "hotmic/error.hpp"
#include "hotmic/media_bytes.hpp"
#include "server/http/budget.hpp"
#include "server/http/over_budget.hpp"
#include "system/file_io.hpp"

namespace hotmic::server {
namespace {

namespace fs = std::filesystem;

/// What went wrong in the folder, from `errno`.
std::unexpected<Error> failed(const fs::path& folder, const char* what, int number) {
    const auto message = std::format("{} {}: {}", what, folder.string(), std::strerror(number));
    switch (number) {
        case ENOSPC:
        case EDQUOT:
        case EFBIG:
            return fail(ErrorCode::disk_full, message, "free space there, or set server.upload_dir to another folder");
        default:
            return fail(ErrorCode::io_error, message, "set server.upload_dir to a folder that may be written");
    }
}

fs::path default_folder() {
    const char* set = std::getenv("TMPDIR");
    return set != nullptr && *set != '\0' ? set : "/var/tmp";
}

}  // namespace

Result<std::shared_ptr<Spool>> Spool::open(const fs::path& folder, std::uint64_t most) {
    auto spool = std::make_shared<Spool>(most);
    spool->path_ = folder.empty() ? default_folder() : folder;
    const auto& path = spool->path_;
    if (!folder.empty()) {
        std::error_code error;
        if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
        if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
            return failed(path, "no uploads can be kept in", errno);
    }
    spool->folder_ = store::Descriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!spool->folder_) return failed(path, "no uploads can be kept in", errno);
    if (auto tried = spool->create(); !tried) return std::unexpected(std::move(tried).error());
    return spool;
}

Result<store::Descriptor> Spool::create() const {
    store::Descriptor file(::openat(folder_.get(), ".", O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
    if (file) return file;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
        return failed(path_, "no upload can be kept in", errno);
    // A file system without nameless files: the name is there for a moment.
    auto name = (path_ / "upload-XXXXXX").string();
    file = store::Descriptor(::mkostemp(name.data(), O_CLOEXEC));
    if (!file) return failed(path_, "no upload can be kept in", errno);
    ::unlink(name.c_str());
    return file;
}

/// On disk. What it takes there is given back when nobody reads it any more.
class Upload::File final : public audio::MediaFile {
public:
    File(std::shared_ptr<Spool> spool, store::Descriptor file)
        : MediaFile(std::move(file), 0), spool_(std::move(spool)), share_(spool_->budget()) {}

    Result<void> add(std::span<const std::byte> bytes) {
        if (!share_.grow(bytes.size())) return std::unexpected(http::over_budget());
        if (!system::write_all(descriptor(), bytes))
            return failed(spool_->path(), "the upload cannot be kept in", errno);
        grow(bytes.size());
        return {};
    }

private:
    const std::shared_ptr<Spool> spool_;
    http::Budget::Share share_;
};

Result<void> Upload::add(std::string_view data) {
    const auto bytes = std::as_bytes(std::span(data));
    if (!file_ && held_.size() + bytes.size() > kMostInMemory && spool_->usable()) {
        if (auto moved = move_to_disk(); !moved) return moved;
    }
    if (file_) return file_->add(bytes);
    if (held_.size() + bytes.size() > held_.capacity()) {
        const auto more = std::max(held_.capacity(), bytes.size());
        if (!memory_.grow(more)) return std::unexpected(http::over_budget());
        held_.reserve(held_.capacity() + more);
    }
    held_.insert(held_.end(), bytes.begin(), bytes.end());
    return {};
}

Result<void> Upload::move_to_disk() {
    auto file = spool_->create();
    if (!file) return std::unexpected(std::move(file).error());
    file_ = std::make_shared<File>(spool_, *std::move(file));
    if (auto added = file_->add(held_); !added) return added;
    memory_.shrink(held_.capacity());
    held_ = {};
    return {};
}

std::shared_ptr<const MediaBytes> Upload::finish() && {
    if (file_) return std::exchange(file_, nullptr);
    return media_in_memory(std::exchange(held_, {}));
}

}  // namespace hotmic::server
