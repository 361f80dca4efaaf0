#include "audio/byte_stream.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <format>
#include <fstream>
#include <ios>
#include <memory>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/media_bytes.hpp"

namespace hotmic::audio {
namespace {

class MemoryStream final : public ByteStream {
public:
    explicit MemoryStream(std::shared_ptr<const std::vector<std::byte>> bytes) : bytes_(std::move(bytes)) {}

    std::int64_t read(std::span<std::uint8_t> out) override {
        const auto count = std::min(out.size(), bytes_->size() - position_);
        if (count > 0) std::memcpy(out.data(), bytes_->data() + position_, count);
        position_ += count;
        return static_cast<std::int64_t>(count);
    }
    bool seek(std::int64_t position) override {
        if (position < 0 || position > size()) return false;
        position_ = static_cast<std::size_t>(position);
        return true;
    }
    [[nodiscard]] std::int64_t position() const override { return static_cast<std::int64_t>(position_); }
    [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(bytes_->size()); }

private:
    std::shared_ptr<const std::vector<std::byte>> bytes_;
    std::size_t position_ = 0;
};

/// Media is read in small pieces, each of which would be a call to the system.
class BufferedStream final : public ByteStream {
public:
    explicit BufferedStream(std::shared_ptr<const MediaBytes> bytes) : bytes_(std::move(bytes)) {}

    std::int64_t read(std::span<std::uint8_t> out) override {
        std::size_t done = 0;
        while (done < out.size()) {
            if (position_ < begin_ || position_ >= begin_ + filled_) {
                begin_ = position_;
                filled_ = std::max<std::int64_t>(0, bytes_->read(static_cast<std::uint64_t>(position_), buffer_));
                if (filled_ == 0) break;
            }
            const auto from = static_cast<std::size_t>(position_ - begin_);
            const auto count = std::min(out.size() - done, static_cast<std::size_t>(filled_) - from);
            std::memcpy(out.data() + done, buffer_.data() + from, count);
            position_ += static_cast<std::int64_t>(count);
            done += count;
        }
        return done == 0 && position_ < size() && !out.empty() ? -1 : static_cast<std::int64_t>(done);
    }
    bool seek(std::int64_t position) override {
        if (position < 0 || position > size()) return false;
        position_ = position;
        return true;
    }
    [[nodiscard]] std::int64_t position() const override { return position_; }
    [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(bytes_->size()); }

private:
    const std::shared_ptr<const MediaBytes> bytes_;
    std::array<std::byte, 32 << 10> buffer_{};
    std::int64_t begin_ = 0;   // of what `buffer_` holds
    std::int64_t filled_ = 0;  // of it
    std::int64_t position_ = 0;
};

class FileStream final : public ByteStream {
public:
    FileStream(std::ifstream file, std::int64_t size) : file_(std::move(file)), size_(size) {}

    std::int64_t read(std::span<std::uint8_t> out) override {
        file_.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size()));
        const auto count = file_.gcount();
        if (file_.bad()) return -1;
        file_.clear();
        position_ += count;
        return count;
    }
    bool seek(std::int64_t position) override {
        if (position < 0 || position > size_ || !file_.seekg(position)) return false;
        position_ = position;
        return true;
    }
    [[nodiscard]] std::int64_t position() const override { return position_; }
    [[nodiscard]] std::int64_t size() const override { return size_; }

private:
    std::ifstream file_;
    std::int64_t size_;
    std::int64_t position_ = 0;
};

}  // namespace

std::unique_ptr<ByteStream> stream_of(std::shared_ptr<const std::vector<std::byte>> bytes) {
    return std::make_unique<MemoryStream>(std::move(bytes));
}

std::unique_ptr<ByteStream> stream_of(std::shared_ptr<const MediaBytes> bytes) {
    return std::make_unique<BufferedStream>(std::move(bytes));
}

Result<std::unique_ptr<ByteStream>> stream_of_file(const std::filesystem::path& path) {
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (!std::filesystem::exists(status)) {
        return fail(ErrorCode::io_error, std::format("no file at {}", path.string()), "check the path");
    }
    if (!std::filesystem::is_regular_file(status)) {
        return fail(ErrorCode::io_error, std::format("{} is not a regular file", path.string()),
                    "name an audio or video file");
    }
    const auto size = std::filesystem::file_size(path, error);
    std::ifstream file(path, std::ios::binary);
    if (error || !file) {
        return fail(ErrorCode::io_error, std::format("{} cannot be read", path.string()), "check its permissions");
    }
    return std::make_unique<FileStream>(std::move(file), static_cast<std::int64_t>(size));
}

}  // namespace hotmic::audio
