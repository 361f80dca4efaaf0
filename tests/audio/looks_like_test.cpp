/// What is no media is refused in words that say what it is.
#include "audio/looks_like.hpp"

#include <cstdint>

#include "audio/media_fixture.hpp"

namespace hotmic {
namespace {

using namespace std::string_literals;

struct NoMedia {
    std::string name;
    std::string bytes;
    std::string seems;      ///< part of the message
    std::string send = {};  ///< part of the remedy
};

/// A front and something behind it, as files have.
std::string file_of(std::string front) {
    return front + std::string(3000, 'x');
}

std::string noise(std::size_t size, std::uint32_t state) {
    std::string bytes(size, '\0');
    for (auto& byte : bytes) byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    return bytes;
}

/// The clip's samples as a telephone system records them (one byte a sample, µ-law) or a sound card does (two).
std::string headerless(int bytes_a_sample) {
    std::string bytes;
    for (const float sample : audio::clip_of_length(Seconds(3)).value()) {
        const auto value = static_cast<int>(sample * 32000);
        if (bytes_a_sample == 2) {
            bytes += static_cast<char>(value & 0xFF);
            bytes += static_cast<char>(value >> 8 & 0xFF);
        } else {
            const int magnitude = std::min(32635, std::abs(value)) + 132;
            int segment = 7;
            while (segment > 0 && magnitude < 128 << segment) --segment;
            const int code = (value < 0 ? 0x80 : 0) | segment << 4 | (magnitude >> (segment + 3) & 0x0F);
            bytes += static_cast<char>(~code & 0xFF);
        }
    }
    return bytes;
}

class EveryNoMedia : public ::testing::TestWithParam<NoMedia> {};

TEST_P(EveryNoMedia, IsNamedByWhatItLooksLike) {
    const auto samples = decode(bytes_of(GetParam().bytes));
    ASSERT_FALSE(samples);
    EXPECT_EQ(samples.error().code, ErrorCode::audio_undecodable) << samples.error().describe();
    EXPECT_THAT(samples.error().message, HasSubstr(GetParam().seems));
    EXPECT_THAT(samples.error().remedy, HasSubstr(GetParam().send));
    EXPECT_EQ(samples.error().param, "file");
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, EveryNoMedia,
    ::testing::Values(
        NoMedia{"text", "This is a letter to my aunt, and no recording of it.", "looks like text", "wav"},
        NoMedia{"one_byte", "x", "looks like text"}, NoMedia{"spaces", std::string(5000, ' '), "looks like text"},
        NoMedia{"utf8", file_of("Grüße aus Köln, liebe Tante! "), "looks like text"},
        NoMedia{"html", file_of("\xEF\xBB\xBF \n<!DOCTYPE html>\n<html><body>Not found"), "a web page", "download"},
        NoMedia{"html_in_capitals", file_of("<HTML><HEAD>"), "a web page"},
        NoMedia{"xml", file_of("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>"), "XML", "download"},
        NoMedia{"json", "{\"error\": {\"message\": \"invalid token\"}}", "JSON", "download"},
        NoMedia{"pdf", file_of("%PDF-1.4\n%\xE2\xE3\xCF\xD3\n"), "a PDF document"},
        NoMedia{"zip", "PK\x03\x04"s + noise(3000, 1), "a zip archive", "inside"},
        NoMedia{"gzip", "\x1F\x8B\x08"s + noise(3000, 2), "a gzip archive", "inside"},
        NoMedia{"png", "\x89PNG\r\n\x1A\n"s + noise(3000, 3), "a PNG image"},
        NoMedia{"jpeg", "\xFF\xD8\xFF\xE0\0\x10JFIF\0"s + noise(3000, 4), "a JPEG image"},
        NoMedia{"webp", "RIFF\xF0\x0B\0\0WEBPVP8 "s + noise(3000, 5), "a WebP image"},
        NoMedia{"m3u", "#EXTM3U\n#EXTINF:5,\nsong.mp3\n", "a playlist", "recording it names"},
        NoMedia{"pls", "[playlist]\nFile1=song.mp3\n", "a playlist", "recording it names"},
        NoMedia{"sdp", "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nc=IN IP4 127.0.0.1\r\nm=audio 5004 RTP/AVP 0\r\n", "SDP"},
        NoMedia{"elf",
                "\x7F"
                "ELF\x02\x01\x01"s +
                    noise(3000, 6),
                "a program"},
        NoMedia{"exe", "MZ\x90\0\x03"s + noise(3000, 7), "a Windows program"},
        NoMedia{"midi", "MThd\0\0\0\x06\0\x01"s + noise(3000, 8), "a MIDI file", "no sound"},
        NoMedia{"model", "lmgg"s + noise(3000, 9), "a whisper.cpp model", "configuration"},
        NoMedia{"zeros", std::string(100'000, '\0'), "a file of zeros", "again"},
        NoMedia{"cyrillic", file_of("\xD0\x94\xD0\xBE\xD1\x80\xD0\xBE\xD0\xB3\xD0\xB0\xD1\x8F "), "looks like text"},
        NoMedia{"pcm", headerless(2), "raw audio without a header (16-bit", "ffmpeg -f s16le"},
        NoMedia{"ulaw", headerless(1), "raw audio without a header (µ-law", "ffmpeg -f mulaw"},
        NoMedia{"one_zero", std::string(1, '\0'), "a file of zeros"}),
    [](const auto& kind) { return kind.param.name; });

TEST(LooksLike, SaysNothingOfWhatCouldBeAnything) {
    const auto samples = decode(bytes_of(noise(20'000, 5)));
    ASSERT_FALSE(samples);
    EXPECT_EQ(samples.error().message.find("looks like"), std::string::npos) << samples.error().message;
    EXPECT_THAT(samples.error().remedy, HasSubstr("wav"));
}

TEST(LooksLike, TakesNoMediaForAnythingElse) {
    for (const auto& media :
         {audio::builtin_clip().encoded, audio::encode_wav(audio::clip_of_length(Seconds(1)).value())}) {
        const std::span bytes(reinterpret_cast<const std::uint8_t*>(media->data()), media->size());
        EXPECT_FALSE(audio::looks_like(bytes));
    }
    EXPECT_FALSE(audio::looks_like({}));
}

TEST(LooksLike, NoNoiseIsDecodedForever) {
    for (std::uint32_t seed = 100; seed < 140; ++seed) {
        const auto samples = decode(bytes_of(noise(30'000, seed)), {.max_length = Seconds(60)});
        // By chance it may hold frames of some codec, but not minutes of them.
        EXPECT_LT(samples ? samples->size() : 0, 60U * kSampleRate) << seed;
    }
}

}  // namespace
}  // namespace hotmic
