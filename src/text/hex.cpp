#include "text/hex.hpp"

#include <cstdint>
#include <format>
#include <span>
#include <string>

namespace hotmic {

std::string hex_of(std::span<const std::uint8_t> bytes) {
    std::string text;
    for (const auto byte : bytes) text += std::format("{:02x}", byte);
    return text;
}

}  // namespace hotmic
