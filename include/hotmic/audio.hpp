/// Audio as every engine takes it: 16 kHz, mono, 32-bit float in [-1, 1].
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "hotmic/error.hpp"

namespace hotmic {

/// Samples per second of all audio inside hotmic.
inline constexpr int kSampleRate = 16000;

/// A view of 16 kHz mono float samples. Does not own them.
using AudioView = std::span<const float>;

/// Seconds that `samples` samples last.
[[nodiscard]] constexpr double seconds_of(std::size_t samples) noexcept {
    return static_cast<double>(samples) / kSampleRate;
}

/// Audio that is pulled as it is needed, so that memory does not grow with the length of a file.
/// One reader at a time; may be handed from thread to thread between calls.
class AudioSource {
public:
    virtual ~AudioSource() = default;

    /// Fills `out` from the front with the next 16 kHz mono samples. Returns how many were written: fewer than
    /// `out.size()` only at the end, 0 when the end has been reached before.
    /// Errors: audio_undecodable (damaged past this point), audio_too_long (a limit was passed).
    [[nodiscard]] virtual Result<std::size_t> read(std::span<float> out) = 0;

    /// Total length in seconds where the container tells it; an estimate, used for progress only.
    [[nodiscard]] virtual std::optional<double> duration_hint() const { return std::nullopt; }
};

/// An AudioSource over samples that already are in memory. `samples` must outlive it.
[[nodiscard]] std::unique_ptr<AudioSource> source_from_view(AudioView samples);
/// An AudioSource that owns its samples.
[[nodiscard]] std::unique_ptr<AudioSource> source_from_samples(std::vector<float> samples);

/// What a decoder may be asked to swallow.
struct DecodeLimits {
    double max_seconds = 4 * 3600.0;
};

/// Opens encoded media (anything libav demuxes: wav, flac, mp3, ogg/opus, m4a, webm, mp4 …; any rate, any channels)
/// held in memory. Headers are parsed and the first audio is decoded here, so what cannot be decoded fails here and not
/// later. `bytes` is kept alive by the source. Errors: audio_empty, audio_undecodable, audio_no_track, audio_too_long.
[[nodiscard]] Result<std::unique_ptr<AudioSource>> open_media(std::shared_ptr<const std::vector<std::byte>> bytes,
                                                              const DecodeLimits& limits = {});
/// The same for a file on disk, read as it is decoded. Also: io_error when it cannot be opened.
[[nodiscard]] Result<std::unique_ptr<AudioSource>> open_media_file(const std::filesystem::path& path,
                                                                   const DecodeLimits& limits = {});

/// Reads a source to its end into memory.
[[nodiscard]] Result<std::vector<float>> read_all(AudioSource& source);

}  // namespace hotmic
