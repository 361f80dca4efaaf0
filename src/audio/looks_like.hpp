/// Names what is no media, for error messages only: nothing is decided by it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace hotmic::audio {

/// What a file seems to be, and what its sender probably meant to send.
struct Look {
    std::string_view what;       ///< with its article, e.g. "a PDF document"
    std::string_view send = {};  ///< what to send instead; empty where only "a recording" can be said
};

/// Bytes of the front of a file that `looks_like` wants to see.
inline constexpr std::size_t kLookBytes = 4096;

/// What a file with this front looks like; nothing if it could be anything (noise, or damaged media).
[[nodiscard]] std::optional<Look> looks_like(std::span<const std::uint8_t> front);

}  // namespace hotmic::audio
