#include "audio/clip.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "audio/libav.hpp"

namespace hotmic::audio {
namespace {

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wc++26-extensions"  // #embed is C++26; every compiler we support takes it
constexpr std::array<unsigned char, HOTMIC_CLIP_BYTES> kEncoded{
#embed "clip/hotmic-clip.flac"
};
constexpr std::array kText{
#embed "clip/hotmic-clip.txt"
};
#pragma GCC diagnostic pop

std::vector<float> decode(const Clip& clip) {
    auto source = open_media(clip.encoded);
    auto samples = source ? read_all(**source) : Result<std::vector<float>>(std::unexpected(source.error()));
    return std::move(samples).value_or(std::vector<float>{});
}

}  // namespace

const Clip& builtin_clip() {
    static const Clip clip = [] {
        const auto bytes = std::as_bytes(std::span(kEncoded));
        Clip made{.encoded = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end()),
                  .language = "en"};
        static const std::string text(kText.begin(), std::ranges::find(kText, '\n'));
        made.text = text;
        made.seconds = seconds_of(decode(made).size());
        return made;
    }();
    return clip;
}

Result<std::vector<float>> clip_of_length(double seconds) {
    constexpr std::size_t kPause = kSampleRate / 4;
    auto source = open_media(builtin_clip().encoded);
    if (!source) return std::unexpected(std::move(source).error());
    const auto speech = read_all(**source);
    if (!speech) return std::unexpected(speech.error());

    const auto wanted = static_cast<std::size_t>(std::llround(seconds * kSampleRate));
    std::vector<float> samples;
    samples.reserve(wanted + speech->size() + kPause);
    while (samples.size() < wanted) {
        samples.insert(samples.end(), speech->begin(), speech->end());
        samples.resize(samples.size() + kPause);
    }
    samples.resize(wanted);
    return samples;
}

std::shared_ptr<const std::vector<std::byte>> encode_wav(AudioView samples) {
    std::vector<std::int16_t> pcm(samples.size());
    std::ranges::transform(samples, pcm.begin(), [](float sample) {
        return static_cast<std::int16_t>(std::lround(std::clamp(sample, -1.0F, 1.0F) * 32767));
    });

    // Only allocation can fail here, and then nothing else would work either.
    AVFormatContext* muxer = nullptr;
    avformat_alloc_output_context2(&muxer, nullptr, "wav", nullptr);
    auto* track = avformat_new_stream(muxer, nullptr);
    track->codecpar->codec_type = AVMEDIA_TYPE_AUDIO;
    track->codecpar->codec_id = AV_CODEC_ID_PCM_S16LE;
    track->codecpar->sample_rate = kSampleRate;
    track->codecpar->bits_per_coded_sample = 16;
    av_channel_layout_default(&track->codecpar->ch_layout, 1);
    avio_open_dyn_buf(&muxer->pb);
    (void)avformat_write_header(muxer, nullptr);
    const LibavPtr<AVPacket> packet(av_packet_alloc());
    packet->data = reinterpret_cast<std::uint8_t*>(pcm.data());
    packet->size = static_cast<int>(pcm.size() * sizeof(std::int16_t));
    packet->pts = packet->dts = 0;
    packet->duration = static_cast<std::int64_t>(pcm.size());
    if (packet->size > 0) av_write_frame(muxer, packet.get());
    av_write_trailer(muxer);

    std::uint8_t* bytes = nullptr;
    const int size = avio_close_dyn_buf(muxer->pb, &bytes);
    const auto view = std::as_bytes(std::span(bytes, static_cast<std::size_t>(size)));
    auto encoded = std::make_shared<const std::vector<std::byte>>(view.begin(), view.end());
    av_free(bytes);
    avformat_free_context(muxer);
    return encoded;
}

}  // namespace hotmic::audio
