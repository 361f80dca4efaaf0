/// Opening a media container without trusting it.
///
/// What a container says of itself may be forged. Five bounds hold, whatever it says:
/// - formats: only those of `kContainers` are parsed; playlists and the like, which name other files, never are, and
///   nothing but the given bytes is ever opened.
/// - decoders: only those of `audio_decoders()` run, also while libav looks for missing parameters. Pictures and
///   subtitles are skipped unseen.
/// - one block: libav allocates none over `kMostBlockBytes` (see libav.hpp).
/// - all indexes: a few hundred bytes of MP4 may promise millions of packets, in each of many tracks, and libav makes
///   an entry for each. What has been made is counted whenever libav asks for more bytes, which are given to it in
///   small pieces, and over `kMostIndexBytes` nothing more is given.
/// - what is packed: a header or a tag may be compressed, and so be thousands of times larger in memory. ID3 tags are
///   made to be skipped, and the compressed headers of old QuickTime are refused.
/// Together they hold forged files to about 300 MiB, and the worst known, a Matroska of packed tracks, to 1.3 GiB.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "audio/byte_stream.hpp"
#include "audio/libav.hpp"
#include "hotmic/error.hpp"

namespace hotmic::audio {

/// Memory for the indexes of all tracks together. An entry has 24 bytes and stands for a packet, so this is room for
/// 2.7 million: 16 hours of AAC at 48 kHz.
inline constexpr std::size_t kMostIndexBytes = 64 << 20;

/// The decoders that may run: a comma-separated list, as libav takes it.
[[nodiscard]] const std::string& audio_decoders();

/// A parsed container with its best audio track chosen; the others are discarded.
class Container {
public:
    /// Errors: audio_undecodable, audio_no_track.
    [[nodiscard]] static Result<std::unique_ptr<Container>> open(std::unique_ptr<ByteStream> stream);
    ~Container();
    Container(const Container&) = delete;
    Container& operator=(const Container&) = delete;

    [[nodiscard]] AVFormatContext* format() const { return format_.get(); }
    [[nodiscard]] const AVStream* track() const { return track_; }
    /// The decoder for the track; never null.
    [[nodiscard]] const AVCodec* codec() const { return codec_; }
    /// Why no more bytes were given to libav, which sees that as just another end of the file.
    /// Errors: io_error (the disk failed), audio_undecodable (an index over its bound, a compressed header).
    [[nodiscard]] Result<void> check() const;

private:
    explicit Container(std::unique_ptr<ByteStream> stream);
    [[nodiscard]] LibavPtr<AVIOContext> new_io();
    [[nodiscard]] Result<const AVInputFormat*> probe();
    [[nodiscard]] Result<void> parse(const AVInputFormat* input);
    [[nodiscard]] Result<void> choose_track();
    [[nodiscard]] std::unexpected<Error> no_track() const;
    [[nodiscard]] std::size_t index_bytes() const;
    int read(std::span<std::uint8_t> out);
    void inspect(std::span<std::uint8_t> bytes);

    static int read_io(void* container, std::uint8_t* buffer, int size);
    static std::int64_t seek_io(void* container, std::int64_t offset, int whence);

    std::unique_ptr<ByteStream> stream_;
    LibavPtr<AVIOContext> io_;
    LibavPtr<AVFormatContext> format_;
    const AVFormatContext* opening_ = nullptr;  ///< what libav has built so far; set before `format_` owns it
    const AVStream* track_ = nullptr;
    const AVCodec* codec_ = nullptr;
    std::string recent_;  ///< the bytes given last, in which a pattern may have begun
    bool compressed_header_ = false;
    bool index_too_big_ = false;
    bool reading_failed_ = false;
};

/// The error for media that cannot be decoded.
[[nodiscard]] std::unexpected<Error> undecodable(std::string why);

}  // namespace hotmic::audio
