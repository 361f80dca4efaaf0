#include "asr/providers/onnx/whisper/protobuf_file.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <format>
#include <functional>
#include <ios>
#include <string>
#include <utility>

#include "hotmic/error.hpp"

namespace hotmic::onnx {
namespace {

constexpr std::size_t kBuffer = 64 << 10;
constexpr std::uint64_t kLongestText = 64 << 10;
constexpr std::uint64_t kMostText = 64 << 20;  // of all names and attributes

}  // namespace

ProtobufFile::ProtobufFile(const std::filesystem::path& path, std::uint64_t size)
    : in_(path, std::ios::binary), size_(size), name_(path.string()) {}

bool ProtobufFile::stop(Error error) {
    if (!error_) error_ = std::move(error);
    return false;
}
bool ProtobufFile::corrupt(const std::string& what) {
    // What never made sense is no such file at all.
    if (!recognized_)
        return stop({ErrorCode::model_not_recognized, std::format("{} is no ONNX model ({})", name_, what),
                     kExportAgain, "path"});
    return stop({ErrorCode::model_corrupt, std::format("{} is damaged: {}", name_, what), kExportAgain, "path"});
}
bool ProtobufFile::truncated() {
    return stop({!recognized_ ? ErrorCode::model_not_recognized : ErrorCode::model_truncated,
                 std::format("{} ends where more should come (it has {} bytes)", name_, size_), kExportAgain, "path"});
}

bool ProtobufFile::byte(std::uint8_t& into) {
    if (at_ >= size_) return truncated();
    if (at_ < base_ || at_ >= base_ + buffer_.size()) {
        buffer_.resize(std::min<std::uint64_t>(kBuffer, size_ - at_));
        in_.clear();
        if (!in_.seekg(static_cast<std::streamoff>(at_)) ||
            !in_.read(buffer_.data(), static_cast<std::streamsize>(buffer_.size()))) {
            return stop(
                {ErrorCode::io_error, std::format("reading {} failed", name_), "check the disk (dmesg)", "path"});
        }
        base_ = at_;
    }
    into = static_cast<std::uint8_t>(buffer_[at_ - base_]);
    ++at_;
    return true;
}
bool ProtobufFile::varint(std::uint64_t& into) {
    into = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        std::uint8_t next = 0;
        if (!byte(next)) return false;
        into |= static_cast<std::uint64_t>(next & 0x7FU) << shift;
        if (next < 0x80) return true;
    }
    return corrupt("a number without an end");
}
bool ProtobufFile::text(std::uint64_t end, std::string& into) {
    const auto length = end - at_;
    kept_ += length;
    if (length > kLongestText || kept_ > kMostText) return corrupt("names longer than any");
    into.resize(length);
    for (auto& each : into) {
        std::uint8_t next = 0;
        if (!byte(next)) return false;
        each = static_cast<char>(next);
    }
    return true;
}

bool ProtobufFile::message(std::uint64_t end, const std::function<bool(const Field&)>& take) {
    while (at_ < end) {
        std::uint64_t key = 0;
        if (!varint(key)) return false;
        Field field{.number = key >> 3U};
        if (field.number == 0) return corrupt("a field without a number");
        switch (key & 7U) {
            case 0:
                if (!varint(field.value)) return false;
                break;
            case 1:
            case 5:
                at_ += (key & 7U) == 1 ? 8 : 4;
                break;
            case 2: {
                std::uint64_t length = 0;
                if (!varint(length)) return false;
                field.has_bytes = true;
                if (length > end - std::min(end, at_))
                    return end == size_ ? truncated() : corrupt("a part that is longer than the whole");
                field.end = at_ + length;
                break;
            }
            default:
                return corrupt("a field of unknown form");
        }
        if (at_ > end) return end == size_ ? truncated() : corrupt("a field that is longer than its message");
        if (!take(field)) return false;
        if (field.has_bytes) at_ = field.end;
    }
    return true;
}

bool ProtobufFile::packed(std::uint64_t end, const std::function<bool(std::uint64_t)>& take) {
    while (at_ < end) {
        std::uint64_t value = 0;
        if (!varint(value) || !take(value)) return false;
    }
    return at_ == end || corrupt("numbers that are longer than their field");
}

}  // namespace hotmic::onnx
