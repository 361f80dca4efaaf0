/// Numbers of 16 bits, as weights are written.
#pragma once

#include <bit>
#include <cstdint>

namespace hotmic::testing {

/// Enough for the few plain values written in tests: normal numbers, rounded toward zero.
[[nodiscard]] inline std::uint16_t half(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000);
    const int exponent = static_cast<int>((bits >> 23) & 0xFF) - 127 + 15;
    if (value == 0 || exponent <= 0) return sign;
    return static_cast<std::uint16_t>(sign | (exponent << 10) | ((bits >> 13) & 0x3FF));
}

}  // namespace hotmic::testing
