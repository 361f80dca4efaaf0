#include <algorithm>
#include <cmath>
#include <cstring>
#include <format>
#include <utility>

#include "audio/byte_stream.hpp"
#include "audio/libav.hpp"
#include "hotmic/audio.hpp"

namespace hotmic {
namespace audio {
namespace {

constexpr int kIoBufferBytes = 64 << 10;
/// Damaged packets in a row after which the rest is given up. Players tolerate a few; a file of nothing else is not
/// media.
constexpr int kMaxBadPackets = 64;

int read_io(void* opaque, std::uint8_t* buffer, int size) {
    const auto count = static_cast<ByteStream*>(opaque)->read({buffer, static_cast<std::size_t>(size)});
    if (count < 0) return AVERROR(EIO);
    return count == 0 ? AVERROR_EOF : static_cast<int>(count);
}

std::int64_t seek_io(void* opaque, std::int64_t offset, int whence) {
    auto& stream = *static_cast<ByteStream*>(opaque);
    switch (whence & ~AVSEEK_FORCE) {
        case AVSEEK_SIZE:
            return stream.size();
        case SEEK_SET:
            break;
        case SEEK_CUR:
            offset += stream.position();
            break;
        case SEEK_END:
            offset += stream.size();
            break;
        default:
            return AVERROR(EINVAL);
    }
    return stream.seek(offset) ? offset : AVERROR(EINVAL);
}

/// What people record to. Nothing that names other files or addresses (playlists, concat, SDP), and no pictures.
constexpr const char* kContainers =
    "wav,w64,aiff,au,caf,flac,mp3,ogg,aac,ac3,eac3,amr,amrnb,amrwb,gsm,tta,wv,ape,mpc,mpc8,asf,avi,flv,mpeg,mpegts,"
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm";
/// Rates outside are no recording of speech, and would make the resampler's tables or output enormous.
constexpr int kLowestRate = 1000;
constexpr int kHighestRate = 768'000;

/// Playlists and the like may name other files and addresses. An upload opens nothing but itself.
int refuse_to_open(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) {
    return AVERROR(EPERM);
}

std::unexpected<Error> undecodable(std::string why) {
    return fail(ErrorCode::audio_undecodable, "the audio cannot be decoded: " + std::move(why),
                "send wav, flac, mp3, ogg, opus, m4a, webm or mp4", "file");
}

/// Decodes packet by packet; what has been decoded and not yet read waits in `pending_`.
class MediaSource final : public AudioSource {
public:
    explicit MediaSource(std::unique_ptr<ByteStream> stream, const DecodeLimits& limits)
        : limits_(limits), stream_(std::move(stream)), packet_(av_packet_alloc()), frame_(av_frame_alloc()) {}

    Result<void> open() {
        if (stream_->size() == 0)
            return fail(ErrorCode::audio_empty, "the audio has 0 bytes", "send a file with content", "file");
        capture_libav_log();
        if (auto found = open_container(); !found) return found;
        if (auto ready = open_decoder(); !ready) return ready;
        // A duration guessed from the bit rate may be far off; then the limit is kept while reading.
        const bool told = format_->duration_estimation_method != AVFMT_DURATION_FROM_BITRATE;
        if (const auto seconds = duration_hint(); told && seconds && *seconds > limits_.max_seconds + 1) {
            return too_long(*seconds);
        }
        // The first audio is decoded here, so that what cannot be decoded is refused now.
        if (auto filled = fill(); !filled) return filled;
        if (pending_.empty()) {
            if (bad_packets_ > 0) return undecodable("no packet of its audio track is intact");
            return fail(ErrorCode::audio_empty, "the audio track has no samples",
                        "send a recording that is longer than 0 s", "file");
        }
        return {};
    }

    Result<std::size_t> read(std::span<float> out) override {
        std::size_t written = 0;
        while (written < out.size()) {
            if (taken_ == pending_.size()) {
                if (auto filled = fill(); !filled) return std::unexpected(std::move(filled).error());
                if (pending_.empty()) break;
            }
            const auto count = std::min(out.size() - written, pending_.size() - taken_);
            std::copy_n(pending_.begin() + static_cast<std::ptrdiff_t>(taken_), count,
                        out.begin() + static_cast<std::ptrdiff_t>(written));
            taken_ += count;
            written += count;
        }
        return written;
    }

    [[nodiscard]] std::optional<double> duration_hint() const override {
        if (format_->duration == AV_NOPTS_VALUE || format_->duration <= 0) return std::nullopt;
        return static_cast<double>(format_->duration) / AV_TIME_BASE;
    }

private:
    Result<void> open_container() {
        auto* buffer = static_cast<std::uint8_t*>(av_malloc(kIoBufferBytes));
        io_.reset(avio_alloc_context(buffer, kIoBufferBytes, 0, stream_.get(), read_io, nullptr, seek_io));
        auto* context = avformat_alloc_context();
        context->pb = io_.get();
        context->flags |= AVFMT_FLAG_CUSTOM_IO;
        context->io_open = refuse_to_open;
        context->format_whitelist = av_strdup(kContainers);
        context->protocol_whitelist = av_strdup("");
        if (const int code = avformat_open_input(&context, nullptr, nullptr, nullptr);
            code < 0) {  // frees it when it fails
            return undecodable(std::format("no known media format ({})", libav_error(code)));
        }
        format_.reset(context);
        if (const int code = avformat_find_stream_info(context, nullptr); code < 0) {
            return undecodable(std::format("{}: {}", format_->iformat->name, libav_error(code)));
        }
        const AVCodec* codec = nullptr;
        track_ = av_find_best_stream(context, AVMEDIA_TYPE_AUDIO, -1, -1, &codec, 0);
        if (track_ == AVERROR_DECODER_NOT_FOUND) return undecodable("there is no decoder for its audio codec");
        if (track_ < 0) {
            return fail(ErrorCode::audio_no_track,
                        std::format("the file ({}) has no audio track", format_->iformat->long_name),
                        "send a file with sound", "file");
        }
        for (unsigned i = 0; i < format_->nb_streams; ++i) {
            if (static_cast<int>(i) != track_) format_->streams[i]->discard = AVDISCARD_ALL;
        }
        decoder_.reset(avcodec_alloc_context3(codec));
        return {};
    }

    Result<void> open_decoder() {
        const auto* track = format_->streams[track_];
        int code = avcodec_parameters_to_context(decoder_.get(), track->codecpar);
        decoder_->pkt_timebase = track->time_base;
        decoder_->thread_count = 1;
        if (code >= 0) code = avcodec_open2(decoder_.get(), nullptr, nullptr);
        if (code < 0)
            return undecodable(std::format("{}: {}", avcodec_get_name(track->codecpar->codec_id), libav_error(code)));
        return {};
    }

    /// Decodes until something waits in `pending_`, or the end: then it is empty.
    Result<void> fill() {
        pending_.clear();
        taken_ = 0;
        while (pending_.empty() && !ended_) {
            const int code = avcodec_receive_frame(decoder_.get(), frame_.get());
            if (code == 0) {
                bad_in_a_row_ = 0;
                if (auto converted = convert(frame_.get()); !converted) return converted;
                av_frame_unref(frame_.get());
            } else if (code == AVERROR_EOF) {
                ended_ = true;
                if (resampler_) {
                    if (auto flushed = convert(nullptr); !flushed) return flushed;
                }
            } else if (code == AVERROR(EAGAIN)) {
                feed_decoder();
            } else if (!bad_packet()) {
                ended_ = true;
            }
        }
        produced_ += pending_.size();
        if (seconds_of(produced_) > limits_.max_seconds) return too_long(seconds_of(produced_));
        const bool finite = std::ranges::all_of(pending_, [](float sample) { return std::isfinite(sample); });
        if (!finite) {
            return fail(ErrorCode::audio_invalid_samples, "the audio holds samples that are not finite numbers",
                        "export it again as 16-bit PCM", "file");
        }
        return {};
    }

    void feed_decoder() {
        while (true) {
            const int code = av_read_frame(format_.get(), packet_.get());
            if (code < 0) {  // the end, or damage past which the container cannot be followed: what was decoded stands
                avcodec_send_packet(decoder_.get(), nullptr);
                return;
            }
            const bool ours = packet_->stream_index == track_;
            const int sent = ours ? avcodec_send_packet(decoder_.get(), packet_.get()) : 0;
            av_packet_unref(packet_.get());
            if (!ours) continue;
            if (sent < 0 && !bad_packet()) avcodec_send_packet(decoder_.get(), nullptr);
            return;
        }
    }

    /// Counts a damaged packet; false when there have been too many.
    bool bad_packet() {
        ++bad_packets_;
        return ++bad_in_a_row_ < kMaxBadPackets;
    }

    /// Resamples a frame (or, with null, what the resampler still holds) into `pending_`.
    Result<void> convert(const AVFrame* frame) {
        if (frame != nullptr) {
            if (auto fit = fit_resampler(*frame); !fit) return fit;
        }
        const int in_count = frame != nullptr ? frame->nb_samples : 0;
        const int capacity = swr_get_out_samples(resampler_.get(), in_count);
        if (capacity < 0) return undecodable(libav_error(capacity));
        const auto before = pending_.size();
        pending_.resize(before + static_cast<std::size_t>(capacity));
        auto* out = reinterpret_cast<std::uint8_t*>(pending_.data() + before);
        auto** in = frame != nullptr ? const_cast<const std::uint8_t**>(frame->extended_data) : nullptr;
        const int count = swr_convert(resampler_.get(), &out, capacity, in, in_count);
        if (count < 0) return undecodable(libav_error(count));
        pending_.resize(before + static_cast<std::size_t>(count));
        return {};
    }

    /// Makes the resampler for this frame's format; formats may change within a stream.
    Result<void> fit_resampler(const AVFrame& frame) {
        if (resampler_ && frame.sample_rate == rate_ && frame.format == sample_format_ &&
            frame.ch_layout.nb_channels == channels_) {
            return {};
        }
        if (frame.sample_rate < kLowestRate || frame.sample_rate > kHighestRate) {
            return undecodable(std::format("a sample rate of {} Hz", frame.sample_rate));
        }
        if (resampler_) {  // what the old one still holds comes first
            if (auto flushed = convert(nullptr); !flushed) return flushed;
        }
        AVChannelLayout mono = AV_CHANNEL_LAYOUT_MONO;
        AVChannelLayout layout{};
        if (frame.ch_layout.order == AV_CHANNEL_ORDER_UNSPEC) {
            av_channel_layout_default(&layout, frame.ch_layout.nb_channels);
        } else {
            av_channel_layout_copy(&layout, &frame.ch_layout);
        }
        SwrContext* made = nullptr;
        int code = swr_alloc_set_opts2(&made, &mono, AV_SAMPLE_FMT_FLT, kSampleRate, &layout,
                                       static_cast<AVSampleFormat>(frame.format), frame.sample_rate, 0, nullptr);
        resampler_.reset(made);
        av_channel_layout_uninit(&layout);
        if (code >= 0) code = swr_init(resampler_.get());
        if (code < 0) {
            resampler_.reset();
            return undecodable(std::format("{} channels at {} Hz cannot be converted ({})", frame.ch_layout.nb_channels,
                                           frame.sample_rate, libav_error(code)));
        }
        rate_ = frame.sample_rate;
        sample_format_ = frame.format;
        channels_ = frame.ch_layout.nb_channels;
        return {};
    }

    [[nodiscard]] std::unexpected<Error> too_long(double seconds) const {
        return fail(ErrorCode::audio_too_long,
                    std::format("the audio is longer than {:.0f} s (at least {:.0f} s)", limits_.max_seconds, seconds),
                    "send it in parts, or raise server.max_audio_seconds", "file");
    }

    const DecodeLimits limits_;
    std::unique_ptr<ByteStream> stream_;
    LibavPtr<AVIOContext> io_;
    LibavPtr<AVFormatContext> format_;
    LibavPtr<AVCodecContext> decoder_;
    LibavPtr<SwrContext> resampler_;
    LibavPtr<AVPacket> packet_;
    LibavPtr<AVFrame> frame_;
    int track_ = -1;
    int rate_ = 0;
    int sample_format_ = -1;
    int channels_ = 0;

    std::vector<float> pending_;
    std::size_t taken_ = 0;
    std::size_t produced_ = 0;
    int bad_packets_ = 0;
    int bad_in_a_row_ = 0;
    bool ended_ = false;
};

Result<std::unique_ptr<AudioSource>> open_stream(std::unique_ptr<ByteStream> stream, const DecodeLimits& limits) {
    auto source = std::make_unique<MediaSource>(std::move(stream), limits);
    if (auto opened = source->open(); !opened) return std::unexpected(std::move(opened).error());
    return source;
}

}  // namespace
}  // namespace audio

Result<std::unique_ptr<AudioSource>> open_media(std::shared_ptr<const std::vector<std::byte>> bytes,
                                                const DecodeLimits& limits) {
    return audio::open_stream(audio::stream_of(std::move(bytes)), limits);
}

Result<std::unique_ptr<AudioSource>> open_media_file(const std::filesystem::path& path, const DecodeLimits& limits) {
    auto stream = audio::stream_of_file(path);
    if (!stream) return std::unexpected(std::move(stream).error());
    return audio::open_stream(*std::move(stream), limits);
}

}  // namespace hotmic
