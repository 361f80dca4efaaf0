/// Messages of protobuf (https://protobuf.dev/programming-guides/encoding/) in memory, read field by field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace hotmic::onnx {

/// Nothing is copied, and nothing outside of `bytes` is looked at.
class ProtobufMessage {
public:
    struct Field {
        std::uint64_t number = 0;
        bool has_bytes = false;   ///< a text, a message, or numbers in a row; else it is `value`
        std::uint64_t value = 0;  ///< of an integer, or the bits of a fixed32 or fixed64
        std::span<const std::byte> bytes{};

        [[nodiscard]] std::string_view text() const noexcept {
            return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
        }
    };

    explicit ProtobufMessage(std::span<const std::byte> bytes) : rest_(bytes) {}

    /// The next field. Nothing at the end, and nothing where no field can be read, which is `damaged` then.
    [[nodiscard]] std::optional<Field> next();
    [[nodiscard]] bool damaged() const noexcept { return damaged_; }
    /// The damage is that the bytes end too early.
    [[nodiscard]] bool cut() const noexcept { return cut_; }

    /// The next of integers in a row (a packed field's bytes). As `next`.
    [[nodiscard]] std::optional<std::uint64_t> next_integer();

private:
    std::nullopt_t fault(bool cut);

    std::span<const std::byte> rest_;
    bool damaged_ = false;
    bool cut_ = false;
};

}  // namespace hotmic::onnx
