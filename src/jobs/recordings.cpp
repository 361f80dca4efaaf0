#include "jobs/recordings.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <format>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "audio/media_file.hpp"
#include "hotmic/error.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/units.hpp"
#include "store/descriptor.hpp"
#include "system/file_io.hpp"

namespace hotmic::jobs {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUnfinished = ".part";

Error failed(const fs::path& file, const char* what, int number) {
    const auto message = std::format("{} cannot be {}: {}", file.string(), what, std::strerror(number));
    if (number == ENOSPC || number == EDQUOT || number == EFBIG)
        return {ErrorCode::disk_full, message, "free space there, or set jobs.dir to a folder on a larger disk"};
    return {ErrorCode::io_error, message, "set jobs.dir to a folder that may be written"};
}

fs::path beside(fs::path target) {
    return target += kUnfinished;
}

}  // namespace

Result<Recordings> Recordings::open(fs::path folder) {
    std::error_code ignored;
    fs::create_directories(folder.parent_path(), ignored);
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return std::unexpected(failed(folder, "made", errno));
    return Recordings(std::move(folder));
}

Result<Recordings::Writing> Recordings::write(const std::string& id) const {
    auto target = folder_ / id;
    store::Descriptor file(::open(beside(target).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file) return std::unexpected(failed(target, "written", errno));
    return Writing(std::move(target), std::move(file));
}

Recordings::Writing::~Writing() {
    if (file_) ::unlink(beside(target_).c_str());
}

Result<void> Recordings::Writing::add(std::span<const char> bytes) {
    if (!system::write_all(file_.get(), std::as_bytes(bytes)))
        return std::unexpected(failed(target_, "written", errno));
    size_ += Bytes(bytes.size());
    return {};
}

Result<void> Recordings::Writing::finish() {
    if (::fsync(file_.get()) != 0 || ::rename(beside(target_).c_str(), target_.c_str()) != 0)
        return std::unexpected(failed(target_, "written", errno));
    file_ = {};
    return store::sync(target_.parent_path());
}

Result<std::shared_ptr<const MediaBytes>> Recordings::open_one(const std::string& id) const {
    const auto path = folder_ / id;
    store::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat found{};
    if (!file || ::fstat(file.get(), &found) != 0) return std::unexpected(failed(path, "read", errno));
    return std::make_shared<audio::MediaFile>(std::move(file), static_cast<std::uint64_t>(found.st_size));
}

void Recordings::remove(const std::string& id) const noexcept {
    const auto path = folder_ / id;
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
        spdlog::warn("a recording stays behind path={:?} error={:?}", path.string(), std::strerror(errno));
}

void Recordings::sweep(const std::set<std::string>& wanted) const noexcept {
    std::error_code error;
    std::vector<std::string> orphans;
    for (auto each = fs::directory_iterator(folder_, error); !error && each != fs::directory_iterator();
         each.increment(error)) {
        auto name = each->path().filename().string();
        if (!wanted.contains(name)) orphans.push_back(std::move(name));
    }
    for (const auto& name : orphans) remove(name);
}

}  // namespace hotmic::jobs
