/// Media as people have it, made by the real ffmpeg from the built-in clip, and media as nobody should have it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "audio/clip.hpp"
#include "hotmic/audio.hpp"

namespace hotmic {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Bytes = std::shared_ptr<const std::vector<std::byte>>;

Bytes bytes_of(std::string_view text) {
    const auto view = std::as_bytes(std::span(text));
    return std::make_shared<const std::vector<std::byte>>(view.begin(), view.end());
}

std::string text_of(const fs::path& path) {
    std::ostringstream all;
    all << std::ifstream(path, std::ios::binary).rdbuf();
    return all.str();
}

Result<std::vector<float>> decode(const Bytes& bytes, const DecodeLimits& limits = {}) {
    auto source = open_media(bytes, limits);
    if (!source) return std::unexpected(source.error());
    return read_all(**source);
}

ErrorCode error_of(const Bytes& bytes, const DecodeLimits& limits = {}) {
    const auto samples = decode(bytes, limits);
    return samples ? ErrorCode::internal : samples.error().code;
}

double rms(AudioView audio) {
    double energy = 0;
    for (const float sample : audio) energy += static_cast<double>(sample) * sample;
    return std::sqrt(energy / static_cast<double>(std::max<std::size_t>(1, audio.size())));
}

/// Normalised correlation at the best of small delays, which encoders add.
double likeness(AudioView a, AudioView b) {
    double best = 0;
    const auto length = static_cast<std::ptrdiff_t>(std::min(a.size(), b.size())) - 4000;
    for (std::ptrdiff_t delay = -1600; delay <= 1600; delay += 4) {
        double product = 0;
        double of_a = 1e-9;
        double of_b = 1e-9;
        for (std::ptrdiff_t i = 2000; i < length; i += 7) {
            const double x = a[static_cast<std::size_t>(i)];
            const double y = b[static_cast<std::size_t>(i + delay)];
            product += x * y;
            of_a += x * x;
            of_b += y * y;
        }
        best = std::max(best, product / std::sqrt(of_a * of_b));
    }
    return best;
}

class Media : public ::testing::Test {
protected:
    void SetUp() override { fs::create_directories(folder_); }
    void TearDown() override { fs::remove_all(folder_); }

    /// Runs ffmpeg on the clip. Skips the test, loudly, where there is none.
    fs::path ffmpeg(const std::string& arguments, const std::string& name) const {
        const auto out = folder_ / name;
        const auto command = "ffmpeg -nostdin -loglevel error -y -i '" HOTMIC_SOURCE_DIR
                             "/src/audio/clip/hotmic-clip.flac' " +
                             arguments + " '" + out.string() + "'";
        if (std::system(command.c_str()) != 0) return {};
        return out;
    }
    static bool have_ffmpeg() { return std::system("ffmpeg -version > /dev/null 2>&1") == 0; }

    const std::vector<float> original_ = decode(audio::builtin_clip().encoded).value();
    const fs::path folder_ = fs::temp_directory_path() / ("hotmic-media-" + std::to_string(getpid()));
};

struct Kind {
    std::string name;
    std::string arguments;
    double least_likeness = 0.97;
};

class EveryKind : public Media, public ::testing::WithParamInterface<Kind> {};

TEST_P(EveryKind, DecodesToTheSameSpeech) {
    if (!have_ffmpeg())
        GTEST_SKIP() << "NO FFMPEG: media of other programs is not tested on this machine; apt install ffmpeg";
    const auto file = ffmpeg(GetParam().arguments, GetParam().name);
    ASSERT_FALSE(file.empty()) << "ffmpeg could not make it";
    const auto in_memory = decode(bytes_of(text_of(file)));
    ASSERT_TRUE(in_memory) << in_memory.error().describe();
    EXPECT_NEAR(seconds_of(in_memory->size()), seconds_of(original_.size()), 0.08);
    EXPECT_GT(likeness(original_, *in_memory), GetParam().least_likeness);
    auto source = open_media_file(file);
    ASSERT_TRUE(source) << source.error().describe();
    EXPECT_EQ(read_all(**source)->size(), in_memory->size());
}

INSTANTIATE_TEST_SUITE_P(Kinds, EveryKind,
                         ::testing::Values(Kind{"s16.wav", ""},
                                           Kind{"f32_48k_stereo.wav", "-ar 48000 -ac 2 -c:a pcm_f32le"},
                                           Kind{"u8_8k.wav", "-ar 8000 -c:a pcm_u8", 0.85},
                                           Kind{"s24_51.wav", "-ac 6 -c:a pcm_s24le"}, Kind{"a.flac", "-ar 44100"},
                                           Kind{"a.mp3", "-ar 22050 -b:a 64k"}, Kind{"opus.ogg", "-c:a libopus", 0.9},
                                           Kind{"vorbis.ogg", "-c:a libvorbis"}, Kind{"a.m4a", "-c:a aac -ar 44100"},
                                           Kind{"moov_at_end.mp4", "-c:a aac"}, Kind{"a.webm", "-c:a libopus", 0.9},
                                           Kind{"a.mka", "-c:a flac"}),
                         [](const auto& kind) {
                             auto name = kind.param.name;
                             std::ranges::replace(name, '.', '_');
                             return name;
                         });

TEST_F(Media, AVideoIsItsSound) {
    if (!have_ffmpeg()) GTEST_SKIP() << "NO FFMPEG: apt install ffmpeg";
    const auto file = ffmpeg("-f lavfi -i testsrc=size=64x64:rate=5 -shortest -c:v mjpeg -c:a aac", "video.mp4");
    ASSERT_FALSE(file.empty());
    const auto samples = decode(bytes_of(text_of(file)));
    ASSERT_TRUE(samples) << samples.error().describe();
    EXPECT_GT(likeness(original_, *samples), 0.95);
}

TEST_F(Media, AVideoWithoutSoundHasNoTrack) {
    if (!have_ffmpeg()) GTEST_SKIP() << "NO FFMPEG: apt install ffmpeg";
    const auto file = ffmpeg("-an -f lavfi -i testsrc=size=64x64:rate=5:duration=1 -map 1 -c:v mjpeg", "silent.mp4");
    ASSERT_FALSE(file.empty());
    EXPECT_EQ(error_of(bytes_of(text_of(file))), ErrorCode::audio_no_track);
}

TEST_F(Media, StereoIsMixedNotDoubled) {
    if (!have_ffmpeg()) GTEST_SKIP() << "NO FFMPEG: apt install ffmpeg";
    const auto samples = decode(bytes_of(text_of(ffmpeg("-ac 2", "stereo.wav"))));
    ASSERT_TRUE(samples);
    EXPECT_NEAR(rms(*samples) / rms(original_), 1.0, 0.05);
}

TEST_F(Media, ATruncatedFileYieldsWhatItHolds) {
    const auto& whole = *audio::builtin_clip().encoded;
    const auto half = std::make_shared<const std::vector<std::byte>>(
        whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(whole.size() / 2));
    const auto samples = decode(half);
    ASSERT_TRUE(samples) << samples.error().describe();
    EXPECT_GT(samples->size(), original_.size() / 4);
    EXPECT_LT(samples->size(), original_.size());
}

TEST_F(Media, WhatIsNoMediaSaysSo) {
    EXPECT_EQ(error_of(bytes_of("")), ErrorCode::audio_empty);
    EXPECT_EQ(error_of(bytes_of("This is a letter to my aunt, and no recording of it.")), ErrorCode::audio_undecodable);
    std::string random(20'000, '\0');
    std::uint32_t state = 5;
    for (auto& byte : random) byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    EXPECT_THAT(error_of(bytes_of(random)), ::testing::AnyOf(ErrorCode::audio_undecodable, ErrorCode::audio_no_track));
    const auto refused = decode(bytes_of("%PDF-1.4 not a song"));
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().remedy, HasSubstr("wav"));
}

TEST_F(Media, AWavWithoutSamplesIsEmpty) {
    EXPECT_EQ(error_of(audio::encode_wav({})), ErrorCode::audio_empty);
}

TEST_F(Media, ALimitInSecondsHolds) {
    EXPECT_EQ(error_of(audio::builtin_clip().encoded, {.max_seconds = 1}), ErrorCode::audio_too_long);
    EXPECT_TRUE(decode(audio::builtin_clip().encoded, {.max_seconds = 10}));
}

TEST_F(Media, SamplesThatAreNoNumbersAreRefused) {
    if (!have_ffmpeg()) GTEST_SKIP() << "NO FFMPEG: apt install ffmpeg";
    auto wav = text_of(ffmpeg("-c:a pcm_f32le", "float.wav"));
    const float nan = std::nanf("");
    std::copy_n(reinterpret_cast<const char*>(&nan), sizeof nan, wav.end() - 4000);
    EXPECT_EQ(error_of(bytes_of(wav)), ErrorCode::audio_invalid_samples);
}

TEST_F(Media, APlaylistOpensNoOtherFile) {
    std::ofstream(folder_ / "secret.wav", std::ios::binary)
        << text_of(HOTMIC_SOURCE_DIR "/src/audio/clip/hotmic-clip.flac");
    const auto secret = (folder_ / "secret.wav").string();
    const auto here = fs::relative(secret).string();  // "safe" playlists may name relative paths
    for (const auto& playlist :
         {"ffconcat version 1.0\nfile '" + here + "'\n",
          "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:5,\nfile://" + secret + "\n#EXT-X-ENDLIST\n",
          "ffconcat version 1.0\nfile '" + secret + "'\n", "#EXTM3U\n#EXTINF:5,\n" + secret + "\n"}) {
        EXPECT_FALSE(decode(bytes_of(playlist))) << playlist;
    }
}

TEST_F(Media, AMissingFileIsNamed) {
    const auto source = open_media_file("/nonexistent/song.mp3");
    ASSERT_FALSE(source);
    EXPECT_THAT(source.error().message, HasSubstr("/nonexistent/song.mp3"));
    EXPECT_FALSE(open_media_file(folder_));
}

TEST(Clip, IsSpeechOfAKnownText) {
    const auto& clip = audio::builtin_clip();
    EXPECT_FALSE(clip.text.empty());
    EXPECT_EQ(clip.language, "en");
    EXPECT_GT(clip.seconds, 3);
    EXPECT_LT(clip.seconds, 10);
}

TEST(Clip, OfAnyLengthIsMostlySpeech) {
    for (const double seconds : {0.5, 2.0, 29.0, 45.0}) {
        const auto samples = audio::clip_of_length(seconds);
        ASSERT_TRUE(samples);
        EXPECT_EQ(samples->size(), static_cast<std::size_t>(seconds * kSampleRate));
        EXPECT_GT(rms(*samples), 0.01);
    }
}

TEST(Wav, ComesBackAsItWasWritten) {
    const auto samples = audio::clip_of_length(3).value();
    const auto back = decode(audio::encode_wav(samples)).value();
    ASSERT_EQ(back.size(), samples.size());
    for (std::size_t i = 0; i < samples.size(); i += 101) EXPECT_NEAR(back[i], samples[i], 1e-3);
}

}  // namespace
}  // namespace hotmic
