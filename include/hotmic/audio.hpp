/// Audio as every engine takes it: 16 kHz, mono, 32-bit float in [-1, 1].
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"

namespace hotmic {

/// A view of 16 kHz mono float samples. Does not own them.
using AudioView = std::span<const float>;

/// Which of the audio tracks of a file is heard.
struct AudioTrack {
    int number = 1;          ///< among the audio tracks of the file, from 1
    int of = 1;              ///< how many there are
    std::string language{};  ///< as the file tags it, e.g. "deu"; empty where it does not
    int channels = 1;        ///< of the track
};

/// Audio that is pulled as it is needed, so that memory does not grow with the length of a file.
/// One reader at a time; may be handed from thread to thread between calls.
class AudioSource {
public:
    virtual ~AudioSource() = default;

    /// Fills `out` from the front with the next 16 kHz mono samples. Returns how many were written: fewer than
    /// `out.size()` only at the end, 0 when the end has been reached before.
    /// After an error, or once the end has been reached, there is nothing more to read.
    /// Errors: audio_undecodable (most of it is damaged, or a format that cannot be converted), audio_too_long (a limit
    /// was passed), audio_too_costly, audio_invalid_samples (not finite numbers), io_error (the disk failed),
    /// cancelled.
    [[nodiscard]] virtual Result<std::size_t> read(std::span<float> out) = 0;

    /// Total length where the container tells it; an estimate, used for progress only.
    [[nodiscard]] virtual std::optional<Seconds> duration_hint() const { return std::nullopt; }

    /// What was lost on the way, in words, e.g. "3 of 420 packets are damaged; 0.1 s are missing within, silent
    /// instead"; empty if nothing was. Complete once the end has been read.
    [[nodiscard]] virtual std::string damage() const { return {}; }

    /// Which track of a media file this is; nothing for samples that come from elsewhere.
    [[nodiscard]] virtual std::optional<AudioTrack> track() const { return std::nullopt; }
};

/// An AudioSource over samples that already are in memory. `samples` must outlive it.
[[nodiscard]] std::unique_ptr<AudioSource> source_from_view(AudioView samples);
/// An AudioSource that owns its samples.
[[nodiscard]] std::unique_ptr<AudioSource> source_from_samples(std::vector<float> samples);

/// A stretch of a recording that is recognized by itself.
struct AudioWindow {
    Samples start{};               ///< of its first sample, from the beginning of the recording
    std::vector<float> samples{};  ///< 16 kHz mono
};

/// Cuts one recording into windows, in order, so that memory is bounded by a window. What lies between two windows is
/// not recognized.
class WindowCutter {
public:
    virtual ~WindowCutter() = default;
    /// The next window; none at the end. `source` is the same each time. Errors: cancelled, those of AudioSource::read.
    [[nodiscard]] virtual Result<std::optional<AudioWindow>> next(AudioSource& source, const std::stop_token& stop) = 0;
};

/// Which formats are taken, by libav's names. An empty list: those that people record and send with.
struct MediaFormats {
    std::vector<std::string> containers{};  ///< as `ffmpeg -demuxers` lists them: "wav", "matroska"
    std::vector<std::string> codecs{};      ///< as `ffmpeg -codecs` does: "opus", "pcm_s16le"
};

/// What a decoder may be asked to swallow.
struct DecodeLimits {
    /// Longest audio. Refused at once where the file tells its length, else when so much has been read.
    Seconds max_length{4 * 3600.0};
    /// Processor time that a file may cost beyond what the length of its audio earns it (3 s for each 100 s), and so
    /// before the first of its audio has come. Twenty times as much may pass by the clock.
    Seconds cpu_time{10};
    /// Ends the decoding, also within the media library.
    std::stop_token stop{};
    MediaFormats formats{};  ///< that are taken
};

/// What is wanted of a file that holds more than one voice.
struct TrackChoice {
    /// ISO code or English name; a track tagged with it is taken before others. Empty: the file's default track, or its
    /// first.
    std::string language{};
    /// One channel of the track, from 0, in place of all of them mixed.
    std::optional<int> channel{};
};

/// Opens encoded media held in memory: wav, flac, mp3, ogg/opus, m4a, webm, mp4 and their like, with any codec people
/// record with, at 1 to 768 kHz and up to 64 channels, which are mixed; of two that cancel each other out one is turned
/// over. Of several audio tracks `choice` takes one, and passes over one that is silent for its first 20 s. Audio that
/// begins later than the other tracks of its file begins with silence. Recordings that were joined by appending one
/// file to another are heard one after the other. Headers are parsed and the first audio is decoded here, so what
/// cannot be decoded fails here and not later. `bytes` is kept alive by the source.
///
/// Media is not trusted. Nothing but the given bytes is opened (playlists that name other files are refused), no
/// picture or subtitle decoder ever runs, and what a file says of itself costs no more than a few hundred MiB of
/// memory and the time that `limits` allow.
///
/// Damaged media is decoded around its damage. What is missing between two intact packets becomes silence, so that
/// times stay right (where the format has timestamps: mp3 and raw aac have none; up to a minute at once where clocks
/// may be set anew, as in transport streams). A truncated file yields what it holds. `AudioSource::damage` says what
/// was lost, and so does the log; only a WAV cannot know that its end is missing. A file that begins with 64 damaged
/// packets, or in the end has more damaged packets than intact ones, is an error, and so is one that changes its format
/// in a way that cannot be followed.
///
/// Errors: audio_empty (no bytes, or no samples), audio_undecodable (no media, and what it looks like instead; a codec
/// or rate that is not supported; damage), audio_no_track, audio_too_long, audio_too_costly, audio_invalid_samples,
/// invalid_request (there is no such channel), cancelled.
[[nodiscard]] Result<std::unique_ptr<AudioSource>> open_media(std::shared_ptr<const std::vector<std::byte>> bytes,
                                                              const DecodeLimits& limits = {},
                                                              const TrackChoice& choice = {});
/// The same for a file on disk, read as it is decoded. Also: io_error when it cannot be opened or read.
[[nodiscard]] Result<std::unique_ptr<AudioSource>> open_media_file(const std::filesystem::path& path,
                                                                   const DecodeLimits& limits = {},
                                                                   const TrackChoice& choice = {});

/// Reads a source to its end into memory. Errors: as of `AudioSource::read`.
[[nodiscard]] Result<std::vector<float>> read_all(AudioSource& source);

}  // namespace hotmic
