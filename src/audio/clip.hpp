/// Speech that ships with hotmic, for warming up and for trying a server out.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/units.hpp"

namespace hotmic::audio {

/// A recording whose text is known.
struct Clip {
    std::shared_ptr<const std::vector<std::byte>> encoded;  ///< FLAC or WAV, 16 kHz, mono
    std::string text{};                                     ///< empty: not known
    std::string language{};                                 ///< ISO code; empty: not known
    Seconds length{};
};

/// For decoding a clip's `encoded`, whatever formats users may send.
[[nodiscard]] DecodeLimits clip_limits();

/// The clip in src/audio/clip, compiled in. Made by the script beside it with a speech synthesizer.
[[nodiscard]] const Clip& builtin_clip();

/// A recording of somebody's own, at most a minute. Errors: those of open_media_file.
[[nodiscard]] Result<Clip> load_clip(const std::filesystem::path& path, std::string text);

/// The longest clip that can be asked for: audio for a warmup, not for filling memory.
inline constexpr Seconds kLongestClip{3600};

/// The clip's speech, repeated with short pauses or cut, to be `length` long (to the nearest sample; 0 gives no
/// samples). Never silence for long: silence warms nothing.
/// Errors: invalid_request if `length` is negative, not a number, or over `kLongestClip`.
[[nodiscard]] Result<std::vector<float>> clip_of_length(Seconds length, const Clip& clip = builtin_clip());

/// Samples as a 16-bit WAV file in memory, so that audio made here takes the same way in as audio received. Samples
/// outside [-1, 1] are clipped. What is over 4 GiB says, as recorders do, that its length is unknown.
[[nodiscard]] std::shared_ptr<const std::vector<std::byte>> encode_wav(AudioView samples);

}  // namespace hotmic::audio
