#include "asr/providers/onnx/file_bytes.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <format>
#include <stop_token>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"
#include "hotmic/units.hpp"

namespace hotmic::onnx {
namespace {

/// No message of protobuf may be larger.
constexpr std::uint64_t kLargest = (1ull << 31U) - 1;

class OpenFile {
public:
    static Result<OpenFile> open(const std::filesystem::path& path) {
        // Without waiting for whoever would write to a pipe of that name.
        const int descriptor =
            ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // NOLINT(*-vararg): the system's
        if (descriptor < 0) {
            if (errno == ENOENT || errno == ENOTDIR) {
                return fail(ErrorCode::model_file_missing, std::format("{} does not exist", path.string()),
                            "check the path", "path");
            }
            return fail(ErrorCode::model_file_unreadable, std::format("{} cannot be read", path.string()),
                        "check its permissions", "path");
        }
        OpenFile file(descriptor);
        struct stat status{};
        if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
            return fail(ErrorCode::model_file_unreadable, std::format("{} is no file", path.string()),
                        "name a model's folder or file", "path");
        }
        file.size_ = static_cast<std::uint64_t>(status.st_size);
        if (file.size_ == 0) {
            return fail(ErrorCode::model_truncated, std::format("{} is empty", path.string()),
                        "download the model again", "path");
        }
        if (file.size_ > kLargest) {
            return fail(ErrorCode::model_unsupported,
                        std::format("{} has {} bytes; an ONNX file has less than 2 GiB", path.string(), file.size_),
                        "export the model with its weights in a file beside it", "path");
        }
        return file;
    }
    ~OpenFile() {
        if (descriptor_ >= 0) close(descriptor_);
    }
    OpenFile(OpenFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)), size_(other.size_) {}
    OpenFile& operator=(OpenFile&&) = delete;
    OpenFile(const OpenFile&) = delete;

    [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

private:
    explicit OpenFile(int descriptor) : descriptor_(descriptor) {}
    int descriptor_;
    std::uint64_t size_ = 0;
};

}  // namespace

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
    const auto file = OpenFile::open(path);
    if (!file) return std::unexpected(file.error());
    const auto size = static_cast<std::size_t>(file->size());
    void* const mapped = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file->descriptor(), 0);
    if (mapped == MAP_FAILED) {
        return fail(ErrorCode::model_file_unreadable, std::format("{} cannot be mapped into memory", path.string()),
                    "check the disk and the limits on memory", "path");
    }
    return MappedFile({static_cast<const std::byte*>(mapped), size});
}

MappedFile::~MappedFile() {
    if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

Result<std::vector<std::byte>> read_file(const std::filesystem::path& path, LoadProgress& progress,
                                         const std::stop_token& stop, std::uint64_t& done, std::uint64_t total) {
    constexpr std::size_t kPiece = 8 << 20;
    const auto file = OpenFile::open(path);
    if (!file) return std::unexpected(file.error());
    std::vector<std::byte> bytes(file->size());
    for (std::size_t at = 0; at < bytes.size();) {
        if (stop.stop_requested()) return fail(ErrorCode::load_cancelled, "the load was cancelled");
        const auto got = read(file->descriptor(), bytes.data() + at, std::min(kPiece, bytes.size() - at));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            return fail(ErrorCode::io_error, std::format("reading {} failed", path.string()), "check the disk (dmesg)",
                        "path");
        }
        if (got == 0) {
            return fail(ErrorCode::model_truncated, std::format("{} became shorter while it was read", path.string()),
                        "load it again when it is whole", "path");
        }
        at += static_cast<std::size_t>(got);
        done += static_cast<std::uint64_t>(got);
        progress.report(Bytes(done), Bytes(total));
    }
    return bytes;
}

}  // namespace hotmic::onnx
