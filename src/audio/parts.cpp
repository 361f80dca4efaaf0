#include "audio/parts.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "audio/byte_stream.hpp"

namespace hotmic::audio {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kMostParts = 1000;
/// Boxes of one MP4 file: one in fragments has a few for each second.
constexpr int kMostBoxes = 200'000;
constexpr std::int64_t kFrontBytes = 16;
constexpr auto kMatroska = "\x1A\x45\xDF\xA3"sv;

/// The first bytes at a position; zeros behind the end.
std::array<std::uint8_t, kFrontBytes> front_at(ByteStream& stream, std::int64_t at) {
    std::array<std::uint8_t, kFrontBytes> front{};
    if (stream.seek(at)) stream.read(front);
    return front;
}

std::string_view text_of(const std::array<std::uint8_t, kFrontBytes>& front, std::size_t from, std::size_t count) {
    return std::string_view(reinterpret_cast<const char*>(front.data()), front.size()).substr(from, count);
}

std::int64_t number(std::span<const std::uint8_t> bytes, bool big_endian) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        value = value << 8 | bytes[big_endian ? i : bytes.size() - 1 - i];
    }
    return static_cast<std::int64_t>(value & INT64_MAX);
}

bool is_wav(ByteStream& stream, std::int64_t at) {
    const auto front = front_at(stream, at);
    return text_of(front, 0, 4) == "RIFF" && text_of(front, 8, 4) == "WAVE";
}

bool is_mp4(ByteStream& stream, std::int64_t at) {
    return text_of(front_at(stream, at), 4, 4) == "ftyp";
}

bool is_matroska(ByteStream& stream, std::int64_t at) {
    return text_of(front_at(stream, at), 0, 4) == kMatroska;
}

/// A recording of any kind begins there.
bool begins(ByteStream& stream, std::int64_t at) {
    const auto front = front_at(stream, at);
    return is_wav(stream, at) || is_mp4(stream, at) || text_of(front, 0, 4) == "fLaC" ||
           text_of(front, 0, 4) == "OggS" || text_of(front, 0, 3) == "ID3" || is_matroska(stream, at);
}

/// Where the WAV file ends by its header, if another recording begins there.
std::optional<std::int64_t> end_of_wav(ByteStream& stream, std::int64_t begin) {
    const auto front = front_at(stream, begin);
    const auto length = number(std::span(front).subspan(4, 4), false);
    const auto end = begin + 8 + length;
    for (const auto at : {end, end + 1}) {  // some pad to an even length, some do not
        if (at > begin + kFrontBytes && at + kFrontBytes < stream.size() && begins(stream, at)) return at;
    }
    return std::nullopt;
}

/// Where boxes end and another file begins.
std::optional<std::int64_t> end_of_mp4(ByteStream& stream, std::int64_t begin) {
    auto at = begin;
    for (int boxes = 0; boxes < kMostBoxes; ++boxes) {
        const auto front = front_at(stream, at);
        auto length = number(std::span(front).first(4), true);
        if (length == 1) length = number(std::span(front).subspan(8, 8), true);
        if (length < 8 || length > stream.size() - at) return std::nullopt;
        at += length;
        if (at + kFrontBytes >= stream.size()) return std::nullopt;
        if (begins(stream, at)) return at;
    }
    return std::nullopt;
}

/// Where another Matroska begins. Recorders leave open how long one is, so it is looked for.
std::optional<std::int64_t> end_of_matroska(ByteStream& stream, std::int64_t begin) {
    constexpr std::size_t kPiece = 1 << 20;
    constexpr std::size_t kHeader = 64;
    std::vector<std::uint8_t> piece(kPiece + kHeader);
    for (auto at = begin + 4; at + kFrontBytes < stream.size(); at += kPiece) {
        if (!stream.seek(at)) return std::nullopt;
        const auto got = stream.read(piece);
        const std::string_view text(reinterpret_cast<const char*>(piece.data()),
                                    static_cast<std::size_t>(std::max<std::int64_t>(0, got)));
        for (auto found = text.find(kMatroska); found < kPiece; found = text.find(kMatroska, found + 1)) {
            const auto header = text.substr(found, kHeader);
            if (header.contains("webm") || header.contains("matroska")) return at + static_cast<std::int64_t>(found);
        }
    }
    return std::nullopt;
}

class PartStream final : public ByteStream {
public:
    PartStream(std::unique_ptr<ByteStream> whole, const Part& part) : whole_(std::move(whole)), part_(part) {
        whole_->seek(part_.begin);
    }
    std::int64_t read(std::span<std::uint8_t> out) override {
        const auto left = std::max<std::int64_t>(0, part_.end - whole_->position());
        return whole_->read(out.first(std::min(out.size(), static_cast<std::size_t>(left))));
    }
    bool seek(std::int64_t position) override {
        return position >= 0 && position <= size() && whole_->seek(part_.begin + position);
    }
    [[nodiscard]] std::int64_t position() const override { return whole_->position() - part_.begin; }
    [[nodiscard]] std::int64_t size() const override { return part_.end - part_.begin; }

private:
    std::unique_ptr<ByteStream> whole_;
    const Part part_;
};

}  // namespace

std::vector<Part> parts_of(ByteStream& stream) {
    std::vector<Part> parts;
    std::int64_t begin = 0;
    while (parts.size() + 1 < kMostParts) {
        const auto end = is_wav(stream, begin)        ? end_of_wav(stream, begin)
                         : is_mp4(stream, begin)      ? end_of_mp4(stream, begin)
                         : is_matroska(stream, begin) ? end_of_matroska(stream, begin)
                                                      : std::nullopt;
        if (!end) break;
        parts.push_back({begin, *end});
        begin = *end;
    }
    parts.push_back({begin, stream.size()});
    stream.seek(0);
    return parts;
}

std::unique_ptr<ByteStream> part_of(std::unique_ptr<ByteStream> whole, const Part& part) {
    return std::make_unique<PartStream>(std::move(whole), part);
}

}  // namespace hotmic::audio
