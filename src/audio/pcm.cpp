#include "audio/pcm.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <format>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "audio/libav.hpp"
#include "audio/resampler.hpp"
#include "hotmic/error.hpp"

namespace hotmic::audio {
namespace {

constexpr int kLowestRate = 8'000;
constexpr int kHighestRate = 192'000;
constexpr int kMostChannels = 8;
/// Given to libav at once.
constexpr std::size_t kPacketBytes = 64 << 10;

AVCodecID codec_of(PcmFormat::Encoding encoding) {
    switch (encoding) {
        case PcmFormat::Encoding::s16:
            return AV_CODEC_ID_PCM_S16LE;
        case PcmFormat::Encoding::f32:
            return AV_CODEC_ID_PCM_F32LE;
        case PcmFormat::Encoding::ulaw:
            return AV_CODEC_ID_PCM_MULAW;
        case PcmFormat::Encoding::alaw:
            return AV_CODEC_ID_PCM_ALAW;
    }
    std::unreachable();
}

std::size_t sample_bytes(PcmFormat::Encoding encoding) {
    switch (encoding) {
        case PcmFormat::Encoding::s16:
            return 2;
        case PcmFormat::Encoding::f32:
            return 4;
        case PcmFormat::Encoding::ulaw:
        case PcmFormat::Encoding::alaw:
            return 1;
    }
    std::unreachable();
}

std::unexpected<Error> failed(int code) {
    return fail(ErrorCode::internal, std::format("libav does not take these samples: {}", libav_error(code)));
}

}  // namespace

struct PcmDecoder::Impl {
    std::size_t frame_bytes = 0;  // a sample of every channel
    LibavPtr<AVCodecContext> codec;
    LibavPtr<AVPacket> packet{av_packet_alloc()};
    LibavPtr<AVFrame> frame{av_frame_alloc()};
    Resampler resampler;
    std::vector<std::byte> held;

    Result<void> take(std::span<const std::byte> bytes, std::vector<float>& out) {
        int code = av_new_packet(packet.get(), static_cast<int>(bytes.size()));
        if (code < 0) return failed(code);
        std::memcpy(packet->data, bytes.data(), bytes.size());
        code = avcodec_send_packet(codec.get(), packet.get());
        av_packet_unref(packet.get());
        if (code < 0) return failed(code);
        while ((code = avcodec_receive_frame(codec.get(), frame.get())) >= 0) {
            auto added = resampler.add(*frame, out);
            av_frame_unref(frame.get());
            if (!added) return added;
        }
        if (code != AVERROR(EAGAIN)) return failed(code);
        return {};
    }
};

PcmDecoder::PcmDecoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PcmDecoder::PcmDecoder(PcmDecoder&&) noexcept = default;
PcmDecoder& PcmDecoder::operator=(PcmDecoder&&) noexcept = default;
PcmDecoder::~PcmDecoder() = default;

Result<PcmDecoder> PcmDecoder::open(const PcmFormat& format) {
    if (format.rate < kLowestRate || format.rate > kHighestRate) {
        return fail(ErrorCode::unsupported_parameter, std::format("a sample rate of {} Hz", format.rate),
                    std::format("send {} to {} Hz", kLowestRate, kHighestRate), "rate");
    }
    if (format.channels < 1 || format.channels > kMostChannels) {
        return fail(ErrorCode::unsupported_parameter, std::format("{} channels", format.channels),
                    std::format("send 1 to {}", kMostChannels), "channels");
    }
    prepare_libav();
    auto impl = std::make_unique<Impl>();
    impl->frame_bytes = sample_bytes(format.encoding) * static_cast<std::size_t>(format.channels);
    const auto* decoder = avcodec_find_decoder(codec_of(format.encoding));
    impl->codec.reset(avcodec_alloc_context3(decoder));
    if (!impl->codec) return fail(ErrorCode::internal, "libav was built without raw audio");
    impl->codec->sample_rate = format.rate;
    av_channel_layout_default(&impl->codec->ch_layout, format.channels);
    if (const int code = avcodec_open2(impl->codec.get(), decoder, nullptr); code < 0) return failed(code);
    return PcmDecoder(std::move(impl));
}

Result<void> PcmDecoder::decode(std::span<const std::byte> bytes, std::vector<float>& out) {
    auto& held = impl_->held;
    held.insert(held.end(), bytes.begin(), bytes.end());
    const auto whole = held.size() - held.size() % impl_->frame_bytes;
    const auto most = kPacketBytes - kPacketBytes % impl_->frame_bytes;
    for (std::size_t done = 0; done < whole;) {
        const auto size = std::min(most, whole - done);
        if (auto taken = impl_->take(std::span(held).subspan(done, size), out); !taken) return taken;
        done += size;
    }
    held.erase(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(whole));
    return {};
}

std::size_t PcmDecoder::held_bytes() const noexcept {
    return impl_->held.size();
}

}  // namespace hotmic::audio
