#include "hotmic/media_bytes.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"

namespace hotmic {
namespace {

class InMemory final : public MediaBytes {
public:
    explicit InMemory(std::shared_ptr<const std::vector<std::byte>> bytes) : bytes_(std::move(bytes)) {}

    [[nodiscard]] std::uint64_t size() const noexcept override { return bytes_->size(); }
    [[nodiscard]] std::int64_t read(std::uint64_t position, std::span<std::byte> out) const override {
        if (position >= bytes_->size()) return 0;
        const auto count = std::min<std::size_t>(out.size(), bytes_->size() - position);
        std::memcpy(out.data(), bytes_->data() + position, count);
        return static_cast<std::int64_t>(count);
    }

private:
    const std::shared_ptr<const std::vector<std::byte>> bytes_;
};

class Here final : public MediaDecoder {
public:
    Result<std::unique_ptr<AudioSource>> open(std::shared_ptr<const MediaBytes> media, const DecodeLimits& limits,
                                              const TrackChoice& choice) override {
        return open_media(std::move(media), limits, choice);
    }
};

}  // namespace

std::shared_ptr<const MediaBytes> media_in_memory(std::vector<std::byte> bytes) {
    return media_in_memory(std::make_shared<const std::vector<std::byte>>(std::move(bytes)));
}

std::shared_ptr<const MediaBytes> media_in_memory(std::shared_ptr<const std::vector<std::byte>> bytes) {
    return std::make_shared<InMemory>(std::move(bytes));
}

std::shared_ptr<MediaDecoder> decoder_here() {
    return std::make_shared<Here>();
}

}  // namespace hotmic
