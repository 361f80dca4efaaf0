/// The channels of one recording, heard each by itself: the two sides of a call.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"

namespace hotmic {

enum class Channels : std::uint8_t {
    mix,       ///< heard as one
    separate,  ///< each heard by itself
};

/// Errors: invalid_request.
[[nodiscard]] Result<Channels> parse_channels(std::string_view name);
[[nodiscard]] std::string_view name_of(Channels channels) noexcept;  ///< "mix", "separate"

/// Each channel costs as much as a recording of its length: no more are heard separately.
inline constexpr int kMostSeparateChannels = 8;
/// Errors: invalid_request, where the audio has more.
[[nodiscard]] Result<void> check_separate(int channels);

/// The channels of a recording as one transcript: segments in order of time, each with its channel, and the text in
/// that order. Its language is the one that is spoken for longest.
[[nodiscard]] Transcript joined(std::vector<Transcript> channels);

/// All segments joined, as engines join them: those that space their segments begin them with a space.
[[nodiscard]] std::string text_of(std::span<const Segment> segments, std::string_view language);

}  // namespace hotmic
