#include "asr/providers/onnx/protobuf.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>

namespace hotmic::onnx {

std::nullopt_t ProtobufMessage::fault(bool cut) {
    damaged_ = true;
    cut_ = cut;
    return std::nullopt;
}

std::optional<std::uint64_t> ProtobufMessage::next_integer() {
    constexpr std::size_t kLongest = 10;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < kLongest; ++i) {
        if (i == rest_.size()) return i == 0 ? std::nullopt : fault(true);
        const auto byte = std::to_integer<std::uint64_t>(rest_[i]);
        value |= (byte & 0x7FU) << (7 * i);
        if (byte < 0x80) {
            rest_ = rest_.subspan(i + 1);
            return value;
        }
    }
    return fault(false);
}

std::optional<ProtobufMessage::Field> ProtobufMessage::next() {
    const auto key = next_integer();
    if (!key) return std::nullopt;
    if (*key > std::numeric_limits<std::uint32_t>::max() || *key >> 3U == 0) return fault(false);
    Field field{.number = *key >> 3U};
    switch (*key & 7U) {
        case 0: {
            const auto value = next_integer();
            if (!value) return fault(rest_.empty());
            field.value = *value;
            return field;
        }
        case 1:
        case 5: {
            const std::size_t size = (*key & 7U) == 1 ? 8 : 4;
            if (rest_.size() < size) return fault(true);
            std::memcpy(&field.value, rest_.data(), size);
            rest_ = rest_.subspan(size);
            return field;
        }
        case 2: {
            const auto length = next_integer();
            if (!length) return fault(rest_.empty());
            if (*length > rest_.size()) return fault(true);
            field.has_bytes = true;
            field.bytes = rest_.first(*length);
            rest_ = rest_.subspan(*length);
            return field;
        }
        default:
            return fault(false);
    }
}

}  // namespace hotmic::onnx
