#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <format>
#include <utility>

#include "audio/byte_stream.hpp"
#include "audio/container.hpp"
#include "audio/libav.hpp"
#include "audio/losses.hpp"
#include "audio/resampler.hpp"
#include "hotmic/audio.hpp"

namespace hotmic {
namespace audio {
namespace {

/// Damaged packets after which a file is given up that has not had an intact one. Players tolerate a few.
constexpr int kMostBadAtStart = 64;
/// Silence for what is missing is made in parts, as a frame is.
constexpr std::size_t kSilenceAtOnce = 10 * kSampleRate;
/// Samples of one frame, at most. The longest that any codec makes is Monkey's Audio's, 1.2 million.
constexpr std::int64_t kMostFrameSamples = 2 << 20;
/// Decodes packet by packet; what has been decoded and not yet read waits in `pending_`.
class MediaSource final : public AudioSource {
public:
    MediaSource(std::unique_ptr<Container> container, const DecodeLimits& limits)
        : limits_(limits),
          container_(std::move(container)),
          losses_(container_->track()->time_base),
          decoder_(avcodec_alloc_context3(container_->codec())),
          packet_(av_packet_alloc()),
          frame_(av_frame_alloc()) {}

    /// Decodes the first audio, so that what cannot be decoded is refused now.
    Result<void> start() {
        if (auto ready = open_decoder(); !ready) return ready;
        // A duration guessed from the bit rate may be far off; then the limit is kept while reading.
        const bool told = container_->format()->duration_estimation_method != AVFMT_DURATION_FROM_BITRATE;
        if (const auto seconds = duration_hint(); told && seconds && *seconds > limits_.max_seconds + 1) {
            return too_long(*seconds);
        }
        if (auto filled = fill(); !filled) return filled;
        return pending_.empty() ? nothing_decoded() : Result<void>{};
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
        const auto duration = container_->format()->duration;
        if (duration == AV_NOPTS_VALUE || duration <= 0) return std::nullopt;
        return static_cast<double>(duration) / AV_TIME_BASE;
    }

    [[nodiscard]] std::string damage() const override { return losses_.describe(); }

private:
    Result<void> open_decoder() {
        const auto* track = container_->track();
        int code = avcodec_parameters_to_context(decoder_.get(), track->codecpar);
        decoder_->pkt_timebase = track->time_base;
        decoder_->thread_count = 1;
        decoder_->max_samples = kMostFrameSamples;
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
            if (auto stepped = step(); !stepped) return stepped;
        }
        produced_ += pending_.size();
        if (seconds_of(produced_) > limits_.max_seconds) return too_long(seconds_of(produced_));
        const bool finite = std::ranges::all_of(pending_, [](float sample) { return std::isfinite(sample); });
        if (!finite) {
            return fail(ErrorCode::audio_invalid_samples, "the audio holds samples that are not finite numbers",
                        "export it again as 16-bit PCM", "file");
        }
        return ended_ && !std::exchange(looked_back_, true) ? look_back() : Result<void>{};
    }

    /// Takes one frame from the decoder, or gives it one packet.
    Result<void> step() {
        if (!has_frame_) {
            const int code = avcodec_receive_frame(decoder_.get(), frame_.get());
            if (code == AVERROR(EAGAIN)) return feed_decoder();
            if (code == AVERROR_EOF) {
                ended_ = true;
                return resampler_.flush(pending_);
            }
            if (code < 0) return bad_packet();
            has_frame_ = true;
            silence_ = losses_.frame(*frame_);
        }
        if (silence_ > 0) return put_silence();
        auto added = resampler_.add(*frame_, pending_);
        av_frame_unref(frame_.get());
        has_frame_ = false;
        return added;
    }

    /// Silence stands where something is missing, so that what follows keeps its time.
    Result<void> put_silence() {
        if (auto flushed = resampler_.flush(pending_); !flushed) return flushed;
        const auto part = std::min(silence_, kSilenceAtOnce);
        pending_.resize(pending_.size() + part);
        silence_ -= part;
        return {};
    }

    Result<void> feed_decoder() {
        int code = 0;
        do {
            av_packet_unref(packet_.get());
            code = av_read_frame(container_->format(), packet_.get());
        } while (code >= 0 && packet_->stream_index != container_->track()->index);
        if (code < 0) return end_of_packets(code);
        losses_.packet();
        const int sent = avcodec_send_packet(decoder_.get(), packet_.get());
        av_packet_unref(packet_.get());
        return sent < 0 ? bad_packet() : Result<void>{};
    }

    /// The end, or damage past which the container cannot be followed: what was decoded stands.
    Result<void> end_of_packets(int code) {
        if (auto fine = container_->check(); !fine) return fine;
        if (code == AVERROR_PATCHWELCOME) {
            return undecodable(std::format("its format changes within, which {} files may not ({})",
                                           container_->format()->iformat->name, libav_error(code)));
        }
        if (code != AVERROR_EOF) losses_.stopped(libav_error(code));
        avcodec_send_packet(decoder_.get(), nullptr);
        return {};
    }

    /// Decoding goes on after a damaged packet; only a file that begins with nothing else is given up.
    Result<void> bad_packet() {
        losses_.bad_packet();
        return losses_.any_intact() || losses_.bad_packets() < kMostBadAtStart ? Result<void>{} : nothing_decoded();
    }

    [[nodiscard]] Result<void> nothing_decoded() const {
        if (losses_.bad_packets() > 0) return undecodable("no packet of its audio track is intact");
        if (const auto seconds = duration_hint(); seconds && container_->track()->nb_frames > 0) {
            return undecodable(std::format("it tells of {:.1f} s of audio, but none is in it", *seconds));
        }
        return fail(ErrorCode::audio_empty, "the audio track has no samples",
                    "send a recording that is longer than 0 s", "file");
    }

    /// At the end: nothing may have been lost without a word.
    Result<void> look_back() {
        if (produced_ == 0) return {};  // start() says why
        losses_.ended(seconds_of(produced_), told_seconds());
        const auto lost = losses_.describe();
        if (losses_.mostly()) return undecodable(lost);
        if (!lost.empty()) spdlog::warn("audio: {}", lost);
        return {};
    }

    /// The track's length as the header tells it; nothing where libav has guessed it (as for WAV, always), or where
    /// it is the length of a longer track beside this one.
    [[nodiscard]] std::optional<double> told_seconds() const {
        const auto* format = container_->format();
        const bool told = format->duration_estimation_method == AVFMT_DURATION_FROM_STREAM;
        const bool alone =
            std::ranges::all_of(std::span(format->streams, format->nb_streams), [&](const AVStream* stream) {
                return stream == container_->track() || (stream->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0;
            });
        return told && alone ? duration_hint() : std::nullopt;
    }

    [[nodiscard]] std::unexpected<Error> too_long(double seconds) const {
        return fail(ErrorCode::audio_too_long,
                    std::format("the audio is longer than {:.0f} s (at least {:.0f} s)", limits_.max_seconds, seconds),
                    "send it in parts, or raise server.max_audio_seconds", "file");
    }

    const DecodeLimits limits_;
    std::unique_ptr<Container> container_;
    Losses losses_;
    LibavPtr<AVCodecContext> decoder_;
    LibavPtr<AVPacket> packet_;
    LibavPtr<AVFrame> frame_;
    Resampler resampler_;

    std::vector<float> pending_;
    std::size_t taken_ = 0;
    std::size_t produced_ = 0;
    bool has_frame_ = false;   ///< `frame_` is decoded and not yet in `pending_`
    std::size_t silence_ = 0;  ///< samples that belong before it
    bool ended_ = false;
    bool looked_back_ = false;
};

Result<std::unique_ptr<AudioSource>> open_stream(std::unique_ptr<ByteStream> stream, const DecodeLimits& limits) {
    if (stream->size() == 0)
        return fail(ErrorCode::audio_empty, "the audio has 0 bytes", "send a file with content", "file");
    auto container = Container::open(std::move(stream));
    if (!container) return std::unexpected(std::move(container).error());
    auto source = std::make_unique<MediaSource>(*std::move(container), limits);
    if (auto started = source->start(); !started) return std::unexpected(std::move(started).error());
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
