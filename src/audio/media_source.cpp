#include "audio/media_source.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <format>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "audio/budget.hpp"
#include "audio/container.hpp"
#include "audio/libav.hpp"
#include "audio/losses.hpp"
#include "audio/resampler.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/units.hpp"

namespace hotmic::audio {
namespace {

/// Damaged packets after which a file is given up that has not had an intact one. Players tolerate a few.
constexpr int kMostBadAtStart = 64;
/// Silence for what is missing is made in parts, as a frame is.
constexpr std::size_t kSilenceAtOnce = 10 * kSampleRate;
/// By which other tracks have to be longer for that to count.
constexpr Seconds kLeastAtEnd(0.1);
/// Samples of one frame, at most. The longest that any codec makes is Monkey's Audio's, 1.2 million.
constexpr std::int64_t kMostFrameSamples = 2 << 20;

}  // namespace

/// Decodes packet by packet; what has been decoded and not yet read waits in `pending_`.
class MediaSource::Impl {
public:
    Impl(std::unique_ptr<Container> container, std::shared_ptr<Budget> budget, Seconds max_length,
         std::optional<int> channel)
        : max_length_(max_length),
          budget_(std::move(budget)),
          container_(std::move(container)),
          losses_(timeline_of(*container_)),
          resampler_(channel),
          decoder_(avcodec_alloc_context3(container_->codec())),
          packet_(av_packet_alloc()),
          frame_(av_frame_alloc()) {}

    /// Decodes the first audio, so that what cannot be decoded is refused now.
    Result<void> start() {
        if (auto ready = open_decoder(); !ready) return ready;
        // A duration guessed from the bit rate may be far off; then the limit is kept while reading.
        const bool told = container_->format()->duration_estimation_method != AVFMT_DURATION_FROM_BITRATE;
        if (const auto length = duration_hint(); told && length && *length > max_length_ + Seconds(1)) {
            return too_long(*length);
        }
        if (auto filled = fill(); !filled) return filled;
        return pending_.empty() ? nothing_decoded() : Result<void>{};
    }

    Result<std::size_t> read(std::span<float> out) {
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

    [[nodiscard]] std::optional<Seconds> duration_hint() const {
        const auto duration = container_->format()->duration;
        if (duration == AV_NOPTS_VALUE || duration <= 0) return std::nullopt;
        return Seconds(static_cast<double>(duration) / AV_TIME_BASE);
    }

    [[nodiscard]] std::string damage() const { return losses_.describe(); }
    [[nodiscard]] AudioTrack track() const {
        auto track = container_->described();
        if (decoder_->ch_layout.nb_channels > 0) track.channels = decoder_->ch_layout.nb_channels;
        return track;
    }

private:
    static Losses::Timeline timeline_of(const Container& container) {
        const auto* format = container.format();
        const std::string_view name = format->iformat->name;
        const bool told = format->duration > 0 && format->duration_estimation_method == AVFMT_DURATION_FROM_STREAM;
        const auto start = format->start_time == AV_NOPTS_VALUE ? 0 : format->start_time;
        return {
            .time_base = container.track()->time_base,
            .begins = container.earliest(),
            .ends = told ? std::optional(static_cast<double>(start + format->duration) / AV_TIME_BASE) : std::nullopt,
            .clock_may_be_set_anew = name == "mpegts" || name == "mpeg" || name == "flv"};
    }

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
        const Budget::Spending spending(*budget_);
        pending_.clear();
        taken_ = 0;
        while (pending_.empty() && !ended_) {
            if (auto stepped = step(); !stepped) return stepped;
        }
        produced_ += pending_.size();
        budget_->earned(earned_before_ + seconds_of(decoded_));
        if (seconds_of(produced_) > max_length_) return too_long(seconds_of(produced_));
        const bool finite = std::ranges::all_of(pending_, [](float sample) { return std::isfinite(sample); });
        if (!finite) {
            return fail(ErrorCode::audio_invalid_samples, "the audio holds samples that are not finite numbers",
                        "export it again as 16-bit PCM", "file");
        }
        return ended_ && !std::exchange(looked_back_, true) ? look_back() : Result<void>{};
    }

    /// Takes one frame from the decoder, or gives it one packet.
    Result<void> step() {
        if (drained_) {
            if (silence_ == 0) ended_ = true;
            add_silence();
            return {};
        }
        if (!has_frame_) {
            const int code = avcodec_receive_frame(decoder_.get(), frame_.get());
            if (code == AVERROR(EAGAIN)) return feed_decoder();
            if (code == AVERROR_EOF) {
                drained_ = true;
                auto flushed = resampler_.flush(pending_);
                silence_ = silence_at_end();
                return flushed;
            }
            if (code < 0) return bad_packet();
            has_frame_ = true;
            silence_ = losses_.frame(*frame_);
        }
        if (silence_ > 0) return put_silence();
        const auto before = pending_.size();
        auto added = resampler_.add(*frame_, pending_);
        decoded_ += pending_.size() - before;
        av_frame_unref(frame_.get());
        has_frame_ = false;
        return added;
    }

    /// Silence stands where something is missing, so that what follows keeps its time.
    Result<void> put_silence() {
        if (auto flushed = resampler_.flush(pending_); !flushed) return flushed;
        add_silence();
        return {};
    }

    void add_silence() {
        const auto part = std::min(silence_, kSilenceAtOnce);
        pending_.resize(pending_.size() + part);
        silence_ -= part;
    }

    /// The recording lasts as long as its longest track: a film goes on when nobody speaks any more.
    [[nodiscard]] std::size_t silence_at_end() const {
        if (alone() || !losses_.any_intact()) return 0;
        const bool told = container_->format()->duration_estimation_method == AVFMT_DURATION_FROM_STREAM;
        Seconds missing{};
        if (told) {
            missing = duration_hint().value_or(Seconds{}) - seconds_of(produced_ + pending_.size());
        } else if (const auto latest = container_->latest()) {
            missing = losses_.left_until(*latest);
        }
        return missing < kLeastAtEnd ? 0 : samples_in(missing);
    }

    Result<void> feed_decoder() {
        if (auto affordable = budget_->check(); !affordable) return affordable;
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
        if (const auto length = duration_hint(); length && container_->track()->nb_frames > 0) {
            return undecodable(std::format("it tells of {:.1f} s of audio, but none is in it", length->count()));
        }
        return fail(ErrorCode::audio_empty, "the file holds the header of a recording and no audio",
                    "send it again: the recorder stopped before it had written any", "file");
    }

    /// At the end: nothing may have been lost without a word.
    Result<void> look_back() {
        if (produced_ == 0) return {};  // start() says why
        losses_.ended(seconds_of(produced_), told_length());
        const auto lost = losses_.describe();
        if (losses_.mostly()) return undecodable(lost);
        if (!lost.empty()) spdlog::warn("audio: {}", lost);
        return {};
    }

    /// The track's length as the header tells it; nothing where libav has guessed it (as for WAV, always), or where
    /// it is the length of a longer track beside this one.
    [[nodiscard]] std::optional<Seconds> told_length() const {
        const auto* format = container_->format();
        const bool told = format->duration_estimation_method == AVFMT_DURATION_FROM_STREAM;
        return told && alone() ? duration_hint() : std::nullopt;
    }

    /// Whether there is no track beside this one, apart from a picture.
    [[nodiscard]] bool alone() const {
        const auto* format = container_->format();
        return std::ranges::all_of(std::span(format->streams, format->nb_streams), [&](const AVStream* stream) {
            return stream == container_->track() || (stream->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0;
        });
    }

    [[nodiscard]] std::unexpected<Error> too_long(Seconds length) const {
        return fail(
            ErrorCode::audio_too_long,
            std::format("the audio is longer than {:.0f} s (at least {:.0f} s)", max_length_.count(), length.count()),
            "send it in parts, or raise server.max_audio_seconds", "file");
    }

    const Seconds max_length_;
    const std::shared_ptr<Budget> budget_;  // the container uses it
    std::unique_ptr<Container> container_;
    Losses losses_;
    Resampler resampler_;
    LibavPtr<AVCodecContext> decoder_;
    LibavPtr<AVPacket> packet_;
    LibavPtr<AVFrame> frame_;

    std::vector<float> pending_;
    std::size_t taken_ = 0;
    std::size_t produced_ = 0;
    std::size_t decoded_ = 0;  ///< of these; silence in place of what is missing cost nothing
    const Seconds earned_before_ = budget_->earned();
    bool has_frame_ = false;   ///< `frame_` is decoded and not yet in `pending_`
    std::size_t silence_ = 0;  ///< samples that belong before it, or at the end
    bool drained_ = false;     ///< all frames have come
    bool ended_ = false;
    bool looked_back_ = false;
};

MediaSource::MediaSource(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MediaSource::~MediaSource() = default;

Result<std::unique_ptr<MediaSource>> MediaSource::open(std::unique_ptr<Container> container,
                                                       std::shared_ptr<Budget> budget, Seconds max_length,
                                                       std::optional<int> channel) {
    auto impl = std::make_unique<Impl>(std::move(container), std::move(budget), max_length, channel);
    if (auto started = impl->start(); !started) return std::unexpected(std::move(started).error());
    return std::unique_ptr<MediaSource>(new MediaSource(std::move(impl)));
}

Result<std::size_t> MediaSource::read(std::span<float> out) {
    return impl_->read(out);
}
std::optional<Seconds> MediaSource::duration_hint() const {
    return impl_->duration_hint();
}
std::string MediaSource::damage() const {
    return impl_->damage();
}
std::optional<AudioTrack> MediaSource::track() const {
    return impl_->track();
}

}  // namespace hotmic::audio
