/// Opening a media container without trusting it.
///
/// What a container says of itself may be forged. Six bounds hold, whatever it says:
/// - formats: only those that are taken (formats.hpp) are parsed; playlists and the like, which name other files, never
/// are, and
///   nothing but the given bytes is ever opened.
/// - decoders: only those that are taken run, also while libav looks for missing parameters. Pictures and
///   subtitles are skipped unseen.
/// - one block: libav allocates none over `kMostBlockBytes` (see libav.hpp).
/// - all indexes: a few hundred bytes of MP4 may promise millions of packets, in each of many tracks, and libav makes
///   an entry for each. What has been made is counted whenever libav asks for more bytes, which are given to it in
///   small pieces, and over `kMostIndexBytes` nothing more is given.
/// - what is packed: a header or a tag may be compressed, and so be thousands of times larger in memory. ID3 tags are
///   made to be skipped, and the compressed headers of old QuickTime are refused.
/// - time: whenever libav asks for bytes, or to go to others, the file's budget is looked at, and once it is exceeded
///   nothing more is given (see budget.hpp). Where libav does without asking what takes for ever (it sorts the cues of
///   Matroska one by one), it is told not to.
/// Together they hold forged files to about 300 MiB, and the worst known, a Matroska of packed tracks, to 1.3 GiB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "audio/budget.hpp"
#include "audio/byte_stream.hpp"
#include "audio/formats.hpp"
#include "audio/libav.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"

namespace hotmic::audio {

/// Memory for the indexes of all tracks together. An entry has 24 bytes and stands for a packet, so this is room for
/// 2.7 million: 16 hours of AAC at 48 kHz.
inline constexpr std::size_t kMostIndexBytes = 64 << 20;

/// A parsed container with one audio track chosen; the others are discarded.
class Container {
public:
    /// `wanted`: the language a track should have, as ISO code or English name. `place`: 0 for the track that fits
    /// best, 1 for the one that fits next, and so on. `budget` must outlive it. Errors: audio_undecodable,
    /// audio_no_track, audio_too_costly, cancelled.
    [[nodiscard]] static Result<std::unique_ptr<Container>> open(std::unique_ptr<ByteStream> stream, Budget& budget,
                                                                 const std::string& wanted = {}, std::size_t place = 0);
    ~Container();
    Container(const Container&) = delete;
    Container& operator=(const Container&) = delete;

    [[nodiscard]] AVFormatContext* format() const { return format_.get(); }
    [[nodiscard]] const AVStream* track() const { return track_; }
    /// The decoder for the track; never null.
    [[nodiscard]] const AVCodec* codec() const { return codec_; }
    /// Which of the audio tracks it is.
    [[nodiscard]] AudioTrack described() const;
    /// How many audio tracks can be decoded.
    [[nodiscard]] std::size_t playable() const { return playable_; }
    /// When the earliest of several tracks begins, in seconds on the clock of the container; nothing where there is
    /// only one.
    [[nodiscard]] std::optional<double> earliest() const { return earliest_; }
    /// When the last packet of any track is, on the same clock; only of transport streams, whose headers tell no
    /// length.
    [[nodiscard]] std::optional<double> latest() const { return latest_; }
    /// Why no more bytes were given to libav, which sees that as just another end of the file.
    /// Errors: io_error (the disk failed), audio_undecodable (an index over its bound, a compressed header),
    /// audio_too_costly, cancelled.
    [[nodiscard]] Result<void> check() const;

private:
    Container(std::unique_ptr<ByteStream> stream, Budget& budget);
    [[nodiscard]] LibavPtr<AVIOContext> new_io();
    [[nodiscard]] Result<const AVInputFormat*> probe();
    [[nodiscard]] Result<LibavPtr<AVFormatContext>> read_header(const AVInputFormat* input, AVIOContext* io, int flags);
    [[nodiscard]] Result<void> parse(const AVInputFormat* input);
    void look_for_earliest(const AVInputFormat* input);
    void look_for_latest(AVFormatContext* format, AVPacket* packet);
    [[nodiscard]] Result<void> choose_track(const std::string& wanted, std::size_t place);
    [[nodiscard]] std::unexpected<Error> no_track() const;
    [[nodiscard]] std::size_t index_bytes() const;
    int read(std::span<std::uint8_t> out);
    void inspect(std::span<std::uint8_t> bytes);

    static int read_io(void* container, std::uint8_t* buffer, int size);
    static std::int64_t seek_io(void* container, std::int64_t offset, int whence);

    [[nodiscard]] bool may_go_on();

    std::unique_ptr<ByteStream> stream_;
    Budget& budget_;
    const Formats formats_;
    std::size_t unchecked_ = 0;  ///< bytes given since the budget was looked at
    LibavPtr<AVIOContext> io_;
    LibavPtr<AVFormatContext> format_;
    const AVFormatContext* opening_ = nullptr;  ///< what libav has built so far; set before `format_` owns it
    const AVStream* track_ = nullptr;
    const AVCodec* codec_ = nullptr;
    std::size_t playable_ = 0;
    std::optional<double> earliest_;
    std::optional<double> latest_;
    std::string recent_;  ///< the bytes given last, in which a pattern may have begun
    bool compressed_header_ = false;
    bool index_too_big_ = false;
    bool reading_failed_ = false;
};

/// The error for media that cannot be decoded.
[[nodiscard]] std::unexpected<Error> undecodable(std::string why);

}  // namespace hotmic::audio
