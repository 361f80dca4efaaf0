/// Media that means harm: forged tables, absurd formats, names of other files, and what no decoder of ours should see.
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <array>
#include <bit>
#include <functional>
#include <mutex>
#include <ranges>
#include <set>

#include "audio/container.hpp"
#include "audio/forged_media.hpp"
#include "audio/formats.hpp"
#include "audio/media_fixture.hpp"

namespace hotmic {
namespace {

/// Most memory in MiB that a process of its own had while it did `work`, which must succeed.
long peak_mib(const std::function<bool()>& work) {
    const auto child = fork();
    if (child == 0) _exit(work() ? 0 : 1);
    int status = 0;
    rusage usage{};
    EXPECT_EQ(wait4(child, &status, 0, &usage), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
    return usage.ru_maxrss / 1024;
}

long peak_mib_of(const std::string& media, ErrorCode expected) {
    return peak_mib([&] { return error_of(bytes_of(media)) == expected; });
}

/// What a sanitizer adds to memory is not what is tested.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr long kAllowedMib = 1500;
#else
constexpr long kAllowedMib = 300;
#endif

struct Forgery {
    std::string name;
    std::string media;
};

class ForgedTables : public ::testing::TestWithParam<Forgery> {};

/// Each of these few KiB makes libav by itself take from 1 to 10 GiB.
TEST_P(ForgedTables, CostLittleMemory) {
    EXPECT_LT(GetParam().media.size(), 50'000U);
    const auto peak = peak_mib_of(GetParam().media, ErrorCode::audio_undecodable);
    RecordProperty("peak_mib", static_cast<int>(peak));
    EXPECT_LT(peak, kAllowedMib);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, ForgedTables,
    ::testing::Values(
        Forgery{"one_huge_track", forged::mp4({.samples = 80'000'000}, 1)},
        Forgery{"the_most_that_can_be_said", forged::mp4({.samples = 0xFFFFFFFF}, 1)},
        Forgery{"a_hundred_large_tracks", forged::mp4({.samples = 2'500'000}, 100)},
        Forgery{"a_hundred_small_tracks", forged::mp4({.samples = 100'000}, 100)},
        Forgery{
            "pcm_chunks",
            forged::mp4({.codec = "sowt", .samples = 0x7FFFFFFF, .samples_per_chunk = 0x7FFFFFFF, .sample_duration = 1},
                        60)},
        Forgery{"a_compressed_header", forged::compressed_mp4({.samples = 700'000}, 50)},
        Forgery{"one_huge_fragment", forged::fragmented_mp4(80'000'000, 1)},
        Forgery{"fragments_of_many_tracks", forged::fragmented_mp4(2'500'000, 50)}),
    [](const auto& forgery) { return forgery.param.name; });

TEST(ForgedMp4, TheReasonIsSaid) {
    const auto samples = decode(bytes_of(forged::mp4({.samples = 2'500'000}, 100)));
    ASSERT_FALSE(samples);
    EXPECT_THAT(samples.error().message, HasSubstr("more packets than fit"));
}

TEST(ForgedMp4, ACompressedHeaderIsRefusedByName) {
    const auto samples = decode(bytes_of(forged::compressed_mp4({.samples = 100}, 1)));
    ASSERT_FALSE(samples);
    EXPECT_THAT(samples.error().message, HasSubstr("compressed"));
}

TEST(ForgedMp4, ATrackWithoutSamplesIsEmpty) {
    EXPECT_EQ(error_of(bytes_of(forged::mp4({.samples = 0}, 1))), ErrorCode::audio_empty);
}

TEST(ForgedMp4, ATableThatPromisesMoreThanTheFileHoldsIsAnError) {
    EXPECT_EQ(error_of(bytes_of(forged::mp4({.samples = 1000, .sample_bytes = 0x7FFFFFFF}, 1))),
              ErrorCode::audio_undecodable);
}

TEST(ForgedMatroska, PackedSetupsAreBoundByTheNumberOfTracks) {
    const auto media = bytes_of(forged::packed_matroska(100, 8 << 20));
    EXPECT_LT(media->size(), 1U << 20);
    EXPECT_LT(peak_mib([&] { return error_of(media) == ErrorCode::audio_undecodable; }), 5 * kAllowedMib);
}

class Pictures : public MadeMedia {
protected:
    /// An APIC frame's beginning, and `size` bytes in all.
    static std::string picture(std::size_t size) {
        const auto front = std::string("\0image/png\0\3\0", 13);
        return front + forged::zeros(size - front.size());
    }
};

TEST_F(Pictures, OfAnySizeCostNoMoreThanTheirBytes) {
    const auto mp3 = made("-b:a 64k", "a.mp3");
    const auto large = bytes_of(forged::id3_pictures(1, 20 << 20, picture(20 << 20), false) + mp3);
    EXPECT_LT(peak_mib([&] { return decode(large).has_value(); }), kAllowedMib);
    const auto promised = bytes_of(forged::id3_pictures(1, 200 << 20, picture(5000), false) + mp3);
    EXPECT_LT(peak_mib([&] { return decode(promised).has_value() || true; }), kAllowedMib);
}

TEST_F(Pictures, ThatArePackedStayPacked) {
    constexpr std::size_t kUnpacked = 40 << 20;
    const auto tag = forged::id3_pictures(20, kUnpacked, forged::packed(picture(kUnpacked)), true);
    const auto mp3 = bytes_of(tag + made("-b:a 64k", "a.mp3"));
    EXPECT_LT(peak_mib([&] { return decode(mp3).has_value(); }), kAllowedMib);
    const auto aac = made("-ar 44100", "a.aac");
    const auto twice = bytes_of(tag + aac + tag + aac);  // these may stand anywhere
    EXPECT_LT(peak_mib([&] { return decode(twice).has_value(); }), kAllowedMib);
    auto wav = made("", "a.wav");
    const auto size = static_cast<std::uint32_t>(tag.size());
    auto chunk = "id3 " + forged::u32({std::byteswap(size)}) + tag;
    if (chunk.size() % 2 != 0) chunk += '\0';
    const auto tagged = bytes_of(wav.insert(12, chunk));
    EXPECT_LT(peak_mib([&] { return decode(tagged)->size() == original_.size(); }), kAllowedMib);
}

/// A WAV of 16-bit samples whose header says what it is told to say.
EncodedMedia wav_of(std::uint32_t rate, std::uint16_t channels, std::uint16_t bits = 16) {
    auto wav = *audio::encode_wav(audio::clip_of_length(Seconds(0.5)).value());
    const auto put = [&](std::size_t at, std::uint32_t number, int bytes) {
        for (int i = 0; i < bytes; ++i) wav[at + static_cast<std::size_t>(i)] = static_cast<std::byte>(number >> 8 * i);
    };
    put(22, channels, 2);
    put(24, rate, 4);
    put(28, rate * channels * bits / 8, 4);
    put(32, static_cast<std::uint32_t>(channels * bits / 8), 2);
    put(34, bits, 2);
    return std::make_shared<const std::vector<std::byte>>(std::move(wav));
}

TEST(Absurd, SampleRatesAreRefused) {
    for (const std::uint32_t rate : {0U, 1U, 999U, 768'001U, 0x7FFFFFFFU, 4'000'000'000U, 0xFFFFFFFFU}) {
        EXPECT_EQ(error_of(wav_of(rate, 1)), ErrorCode::audio_undecodable) << rate;
    }
    for (const std::uint32_t rate : {1000U, 8000U, 384'000U, 768'000U}) EXPECT_TRUE(decode(wav_of(rate, 1))) << rate;
}

TEST(Absurd, ChannelCountsAreRefused) {
    for (const std::uint16_t channels : {0, 65, 255, 65535}) {
        EXPECT_EQ(error_of(wav_of(16000, channels)), ErrorCode::audio_undecodable) << channels;
    }
    for (const std::uint16_t channels : {1, 2, 6, 8, 12, 64}) EXPECT_TRUE(decode(wav_of(16000, channels))) << channels;
}

TEST(Absurd, SampleSizesAreRefusedOrReadWithinLimits) {
    for (const std::uint16_t bits : {0, 1, 7, 255, 65535}) {
        const auto samples = decode(wav_of(16000, 1, bits), {.max_length = Seconds(60)});
        EXPECT_TRUE(samples || samples.error().code == ErrorCode::audio_undecodable) << bits;
    }
}

TEST(Decoders, OnlyOnesOfAudioMayRun) {
    std::set<AVCodecID> codecs;
    const auto decoders = audio::Formats().decoders();
    for (const auto part : decoders | std::views::split(',')) {
        const std::string name(part.begin(), part.end());
        const auto* codec = avcodec_find_decoder_by_name(name.c_str());
        ASSERT_NE(codec, nullptr) << name;
        EXPECT_EQ(codec->type, AVMEDIA_TYPE_AUDIO) << name;
        codecs.insert(codec->id);
    }
    for (const auto id :
         {AV_CODEC_ID_PCM_S16LE,  AV_CODEC_ID_PCM_MULAW, AV_CODEC_ID_FLAC,     AV_CODEC_ID_MP3,
          AV_CODEC_ID_MP2,        AV_CODEC_ID_AAC,       AV_CODEC_ID_AAC_LATM, AV_CODEC_ID_OPUS,
          AV_CODEC_ID_VORBIS,     AV_CODEC_ID_ALAC,      AV_CODEC_ID_ADPCM_MS, AV_CODEC_ID_ADPCM_IMA_WAV,
          AV_CODEC_ID_ADPCM_G722, AV_CODEC_ID_AMR_NB,    AV_CODEC_ID_AMR_WB,   AV_CODEC_ID_WMAV2,
          AV_CODEC_ID_AC3,        AV_CODEC_ID_EAC3,      AV_CODEC_ID_DTS,      AV_CODEC_ID_SPEEX,
          AV_CODEC_ID_GSM,        AV_CODEC_ID_GSM_MS,    AV_CODEC_ID_WAVPACK,  AV_CODEC_ID_APE,
          AV_CODEC_ID_TTA}) {
        EXPECT_TRUE(codecs.contains(id)) << avcodec_get_name(id);
    }
    for (const auto id : {AV_CODEC_ID_ADPCM_EA, AV_CODEC_ID_ADPCM_PSX, AV_CODEC_ID_TRUEHD, AV_CODEC_ID_QDM2,
                          AV_CODEC_ID_MACE3, AV_CODEC_ID_PCM_LXF})
        EXPECT_FALSE(codecs.contains(id)) << avcodec_get_name(id);
    EXPECT_LT(codecs.size(), 70U);
}

TEST(Formats, OnlyThoseThatAreConfiguredAreTaken) {
    const auto flac = audio::builtin_clip().encoded;
    EXPECT_TRUE(open_media(flac, {.formats = {.containers = {"flac"}, .codecs = {"flac"}}}));
    const auto container = open_media(flac, {.formats = {.containers = {"wav"}}});
    ASSERT_FALSE(container);
    EXPECT_EQ(container.error().code, ErrorCode::audio_undecodable);
    EXPECT_THAT(container.error().message, HasSubstr("files of this format are not taken (raw FLAC, flac)"));
    const auto codec = open_media(flac, {.formats = {.codecs = {"opus"}}});
    ASSERT_FALSE(codec);
    EXPECT_THAT(codec.error().message, HasSubstr("its codec (flac) is not taken"));
}

TEST(Formats, WhatIsConfiguredHasToExistAndBeSafe) {
    EXPECT_TRUE(audio::check({}));
    EXPECT_TRUE(audio::check({.containers = {"wav", "webm", "mp4", "vqf"}, .codecs = {"opus", "truehd"}}));
    for (const auto& wrong :
         {MediaFormats{.containers = {"wave"}}, MediaFormats{.containers = {"hls"}},
          MediaFormats{.containers = {"concat"}}, MediaFormats{.codecs = {"mp5"}}, MediaFormats{.codecs = {"h264"}}}) {
        const auto checked = audio::check(wrong);
        ASSERT_FALSE(checked);
        EXPECT_EQ(checked.error().code, ErrorCode::config_invalid);
        EXPECT_THAT(checked.error().param, ::testing::StartsWith("audio."));
    }
}

/// The names of all decoders that libav reported of while it did something.
class DecodersAtWork {
public:
    DecodersAtWork() {
        audio::prepare_libav();  // which sets a log callback of its own, once
        seen().clear();
        av_log_set_level(AV_LOG_TRACE);
        av_log_set_callback([](void* object, int, const char*, va_list) {
            const auto* type = object != nullptr ? *static_cast<const AVClass* const*>(object) : nullptr;
            if (type == nullptr || type != avcodec_get_class()) return;
            const auto* decoder = static_cast<const AVCodecContext*>(object);
            if (avcodec_is_open(const_cast<AVCodecContext*>(decoder)) != 0) seen().insert(decoder->codec->name);
        });
    }
    ~DecodersAtWork() {
        av_log_set_callback([](void*, int, const char*, va_list) {});
        av_log_set_level(AV_LOG_INFO);
    }
    static std::set<std::string>& seen() {
        static std::set<std::string> names;
        return names;
    }
};

TEST_F(MadeMedia, NoPictureDecoderRunsEvenWhileProbing) {
    const std::string video = "-f lavfi -i testsrc=size=64x64:rate=5 -shortest -c:a aac ";
    for (const auto& [name, arguments] : std::vector<std::pair<std::string, std::string>>{
             {"a.mp4", "-c:v mjpeg"}, {"a.mkv", "-c:v mpeg4"}, {"a.ts", "-c:v mpeg2video"}, {"a.avi", "-c:v mjpeg"}}) {
        auto media = made(video + arguments, name);
        const auto file = folder_ / name;
        const auto pictures = [] {
            return std::ranges::any_of(DecodersAtWork::seen(), [](const std::string& decoder) {
                return avcodec_find_decoder_by_name(decoder.c_str())->type != AVMEDIA_TYPE_AUDIO;
            });
        };
        const DecodersAtWork watch;
        EXPECT_TRUE(decode(bytes_of(media))) << name;
        EXPECT_FALSE(pictures()) << name;

        AVFormatContext* plain = nullptr;  // libav left to itself does run one, and this test would see it
        ASSERT_EQ(avformat_open_input(&plain, file.c_str(), nullptr, nullptr), 0);
        avformat_find_stream_info(plain, nullptr);
        avformat_close_input(&plain);
        EXPECT_TRUE(pictures()) << name;
    }
}

/// Tells whether a file was opened since.
class OpenWatch {
public:
    explicit OpenWatch(const fs::path& file) : fd_(inotify_init1(IN_NONBLOCK)) {
        EXPECT_GE(inotify_add_watch(fd_, file.c_str(), IN_OPEN), 0);
    }
    ~OpenWatch() { close(fd_); }
    OpenWatch(const OpenWatch&) = delete;
    OpenWatch& operator=(const OpenWatch&) = delete;
    [[nodiscard]] bool opened() const {
        std::array<char, 4096> events{};
        return ::read(fd_, events.data(), events.size()) > 0;
    }

private:
    int fd_;
};

TEST_F(Media, WhatNamesOtherFilesOpensNone) {
    const auto secret = folder_ / "secret.wav";
    const auto encoded = audio::encode_wav(audio::clip_of_length(Seconds(1)).value());
    std::ofstream(secret, std::ios::binary)
        .write(reinterpret_cast<const char*>(encoded->data()), static_cast<std::streamsize>(encoded->size()));
    const OpenWatch watch(secret);
    const auto before = fs::current_path();
    fs::current_path(folder_);  // "safe" lists may name relative paths
    for (const auto& name : std::vector<std::string>{secret.string(), "file://" + secret.string(), "secret.wav",
                                                     "file:secret.wav", "concat:secret.wav"}) {
        for (const auto& list : std::vector<std::string>{
                 "ffconcat version 1.0\nfile '" + name + "'\n",
                 "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:5,\n" + name + "\n#EXT-X-ENDLIST\n",
                 "#EXTM3U\n#EXTINF:5,\n" + name + "\n", "[playlist]\nFile1=" + name + "\n",
                 "v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 5004 RTP/AVP 0\r\na=control:" + name + "\r\n",
                 "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" "
                 "type=\"static\"><Period><AdaptationSet>"
                 "<Representation id=\"1\"><BaseURL>" +
                     name + "</BaseURL></Representation></AdaptationSet></Period></MPD>"}) {
            EXPECT_EQ(error_of(bytes_of(list)), ErrorCode::audio_undecodable) << list;
            std::ofstream(folder_ / "list.wav") << list;  // the extension of a recording helps nothing
            EXPECT_FALSE(open_media_file("list.wav")) << list;
        }
    }
    EXPECT_FALSE(watch.opened());
    EXPECT_TRUE(open_media_file("secret.wav"));
    EXPECT_TRUE(watch.opened()) << "the watch sees nothing";
    fs::current_path(before);
}

}  // namespace
}  // namespace hotmic
