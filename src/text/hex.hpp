/// Bytes as text.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace hotmic {

/// Two hexadecimal digits a byte, in lower case.
[[nodiscard]] std::string hex_of(std::span<const std::uint8_t> bytes);

}  // namespace hotmic
