#include "store/archive.hpp"

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <format>
#include <fstream>
#include <functional>
#include <ios>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "store/catalogue.hpp"

namespace hotmic::store {
namespace {

// PKWARE's APPNOTE: all numbers little-endian.
constexpr std::uint32_t kEndMark = 0x06054b50;
constexpr std::uint32_t kEntryMark = 0x02014b50;
constexpr std::uint32_t kLocalMark = 0x04034b50;
constexpr std::size_t kEndSize = 22;
constexpr std::size_t kEntrySize = 46;
constexpr std::size_t kLocalSize = 30;
constexpr std::size_t kLongestComment = 65'535;
constexpr std::uint64_t kLargestDirectory = 16 << 20;
constexpr std::uint32_t kIn64Bits = 0xffffffff;
constexpr int kStored = 0;
constexpr int kDeflated = 8;
constexpr std::uint16_t kEncrypted = 1;

template <class T>
T number(std::string_view bytes, std::size_t at) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
    return value;
}

std::unexpected<Error> refused(const std::filesystem::path& file, std::string_view what) {
    return fail(ErrorCode::download_refused, std::format("the archive {} {}", file.filename().string(), what),
                "fetch it again, or take another source");
}

Result<std::string> read_at(std::ifstream& stream, const std::filesystem::path& file, std::uint64_t at,
                            std::uint64_t count) {
    std::string bytes(count, '\0');
    stream.clear();
    stream.seekg(static_cast<std::streamoff>(at));
    if (!stream.read(bytes.data(), static_cast<std::streamsize>(count))) return refused(file, "ends early");
    return bytes;
}

/// Packed bytes in, bytes out.
class Inflating {
public:
    Inflating() { ready_ = inflateInit2(&stream_, -MAX_WBITS) == Z_OK; }
    ~Inflating() {
        if (ready_) inflateEnd(&stream_);
    }
    Inflating(const Inflating&) = delete;
    Inflating& operator=(const Inflating&) = delete;

    /// False: damaged.
    Result<bool> push(std::span<char> packed, const std::function<Result<void>(std::span<const char>)>& take) {
        if (!ready_) return false;
        stream_.next_in = reinterpret_cast<Bytef*>(packed.data());
        stream_.avail_in = static_cast<uInt>(packed.size());
        do {
            stream_.next_out = reinterpret_cast<Bytef*>(out_.data());
            stream_.avail_out = static_cast<uInt>(out_.size());
            const int code = inflate(&stream_, Z_NO_FLUSH);
            if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) return false;
            if (auto taken = take(std::span(out_).first(out_.size() - stream_.avail_out)); !taken)
                return std::unexpected(std::move(taken).error());
            if (code == Z_STREAM_END) return stream_.avail_in == 0;
        } while (stream_.avail_in > 0 || stream_.avail_out == 0);
        return true;
    }

private:
    z_stream stream_{};
    bool ready_ = false;
    std::vector<char> out_ = std::vector<char>(1 << 18);
};

}  // namespace

Result<Archive> Archive::open(const std::filesystem::path& file) {
    Archive archive;
    archive.file_ = file;
    std::error_code error;
    const auto size = std::filesystem::file_size(file, error);
    std::ifstream stream(file, std::ios::binary);
    if (error || !stream) return fail(ErrorCode::io_error, std::format("{} cannot be read", file.string()));
    if (size < kEndSize) return refused(file, "is none");

    const auto tail_size = std::min<std::uint64_t>(size, kEndSize + kLongestComment);
    const auto tail = read_at(stream, file, size - tail_size, tail_size);
    if (!tail) return std::unexpected(tail.error());
    auto at = tail->size() - kEndSize;
    while (number<std::uint32_t>(*tail, at) != kEndMark) {
        if (at == 0) return refused(file, "is none, or ends early");
        --at;
    }
    const auto count = number<std::uint16_t>(*tail, at + 10);
    const auto directory_size = number<std::uint32_t>(*tail, at + 12);
    const auto directory_at = number<std::uint32_t>(*tail, at + 16);
    if (number<std::uint16_t>(*tail, at + 4) != 0 || directory_at == kIn64Bits)
        return refused(file, "is in several files or over 4 GB, which is not read");
    if (directory_size > kLargestDirectory || std::uint64_t{directory_at} + directory_size > size)
        return refused(file, "contradicts itself");

    const auto directory = read_at(stream, file, directory_at, directory_size);
    if (!directory) return std::unexpected(directory.error());
    std::size_t entry = 0;
    for (unsigned i = 0; i < count; ++i) {
        if (entry + kEntrySize > directory->size() || number<std::uint32_t>(*directory, entry) != kEntryMark)
            return refused(file, "has a damaged directory");
        const auto name_size = number<std::uint16_t>(*directory, entry + 28);
        const auto extra =
            std::size_t{number<std::uint16_t>(*directory, entry + 30)} + number<std::uint16_t>(*directory, entry + 32);
        if (entry + kEntrySize + name_size + extra > directory->size()) return refused(file, "has a damaged directory");
        const auto name = directory->substr(entry + kEntrySize, name_size);
        const Member member{.begins_at = number<std::uint32_t>(*directory, entry + 42),
                            .packed = number<std::uint32_t>(*directory, entry + 20),
                            .size = number<std::uint32_t>(*directory, entry + 24),
                            .crc = number<std::uint32_t>(*directory, entry + 16),
                            .method = number<std::uint16_t>(*directory, entry + 10)};
        const bool folder = name.ends_with('/');
        if (!stays_inside(folder ? std::string_view(name).substr(0, name.size() - 1) : std::string_view(name)))
            return refused(file, std::format("has a member that leaves its folder: \"{}\"", name));
        if ((number<std::uint16_t>(*directory, entry + 8) & kEncrypted) != 0)
            return refused(file, std::format("has an encrypted member: \"{}\"", name));
        if (!folder) archive.members_[name] = member;
        entry += kEntrySize + name_size + extra;
    }
    return archive;
}

Result<void> Archive::extract(const std::string& name,
                              const std::function<Result<void>(std::span<const char>)>& take) const {
    const auto found = members_.find(name);
    if (found == members_.end()) return refused(file_, std::format("has no member \"{}\"", name));
    const auto& member = found->second;
    if (member.method != kStored && member.method != kDeflated)
        return refused(file_, std::format("has \"{}\" packed in a way that is not read", name));
    std::ifstream stream(file_, std::ios::binary);
    const auto local = read_at(stream, file_, member.begins_at, kLocalSize);
    if (!local) return std::unexpected(local.error());
    if (number<std::uint32_t>(*local, 0) != kLocalMark) return refused(file_, "is damaged");
    stream.seekg(static_cast<std::streamoff>(number<std::uint16_t>(*local, 26) + number<std::uint16_t>(*local, 28)),
                 std::ios::cur);

    std::uint64_t came = 0;
    auto crc = crc32(0, nullptr, 0);
    const auto count = [&](std::span<const char> bytes) -> Result<void> {
        came += bytes.size();
        if (came > member.size) return refused(file_, std::format("has more of \"{}\" than it says", name));
        crc = crc32(crc, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size()));
        return take(bytes);
    };
    Inflating inflating;
    std::vector<char> buffer(1 << 18);
    for (auto left = member.packed; left > 0;) {
        const auto piece = std::span(buffer).first(std::min<std::uint64_t>(left, buffer.size()));
        if (!stream.read(piece.data(), static_cast<std::streamsize>(piece.size()))) return refused(file_, "ends early");
        left -= piece.size();
        if (member.method == kStored) {
            if (auto taken = count(piece); !taken) return taken;
            continue;
        }
        const auto good = inflating.push(piece, count);
        if (!good) return std::unexpected(good.error());
        if (!*good) return refused(file_, std::format("has a damaged \"{}\"", name));
    }
    if (came != member.size || crc != member.crc) return refused(file_, std::format("has a damaged \"{}\"", name));
    return {};
}

}  // namespace hotmic::store
