/// What is written of a log message.
#pragma once

#include <spdlog/details/log_msg.h>

#include <cstddef>
#include <string>

#include "text/utf8.hpp"

namespace hotmic::telemetry {

/// Most of a message that is written: what is told of somebody's input may be as long as that.
inline constexpr std::size_t kMostMessage = 8 << 10;

[[nodiscard]] inline std::string message_of(const spdlog::details::log_msg& message) {
    return cut({message.payload.data(), message.payload.size()}, kMostMessage);
}

}  // namespace hotmic::telemetry
