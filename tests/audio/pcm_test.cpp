#include "audio/pcm.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numbers>

#include "hotmic/audio.hpp"

namespace hotmic::audio {
namespace {

using Encoding = PcmFormat::Encoding;

/// A second of 440 Hz at half of full scale, as bytes.
template <class Sample>
std::vector<std::byte> tone(int rate, int channels, double scale) {
    std::vector<Sample> samples;
    for (int i = 0; i < rate; ++i) {
        const double value = 0.5 * std::sin(2 * std::numbers::pi * 440 * i / rate);
        for (int channel = 0; channel < channels; ++channel) samples.push_back(static_cast<Sample>(value * scale));
    }
    std::vector<std::byte> bytes(samples.size() * sizeof(Sample));
    std::memcpy(bytes.data(), samples.data(), bytes.size());
    return bytes;
}

/// How strong 440 Hz is in 16 kHz audio: 1 for the tone at full scale.
double strength(AudioView audio) {
    double sine = 0;
    double cosine = 0;
    for (std::size_t i = 0; i < audio.size(); ++i) {
        const double phase = 2 * std::numbers::pi * 440 * static_cast<double>(i) / kSampleRate;
        sine += static_cast<double>(audio[i]) * std::sin(phase);
        cosine += static_cast<double>(audio[i]) * std::cos(phase);
    }
    return 2 * std::hypot(sine, cosine) / static_cast<double>(audio.size());
}

class Rates : public ::testing::TestWithParam<int> {};

TEST_P(Rates, BecomeSixteenKilohertz) {
    auto decoder = PcmDecoder::open({.rate = GetParam()});
    ASSERT_TRUE(decoder);
    std::vector<float> audio;
    ASSERT_TRUE(decoder->decode(tone<std::int16_t>(GetParam(), 1, 32767), audio));
    EXPECT_NEAR(seconds_of(audio.size()).count(), 1, 0.01);
    EXPECT_NEAR(strength(audio), 0.5, 0.02);
}
INSTANTIATE_TEST_SUITE_P(Live, Rates, ::testing::Values(8000, 16000, 22050, 24000, 44100, 48000));

TEST(Pcm, FloatsAndChannelsAreMixed) {
    auto decoder = PcmDecoder::open({.encoding = Encoding::f32, .rate = 48000, .channels = 2});
    ASSERT_TRUE(decoder);
    std::vector<float> audio;
    ASSERT_TRUE(decoder->decode(tone<float>(48000, 2, 1), audio));
    EXPECT_NEAR(strength(audio), 0.5 * std::numbers::sqrt2, 0.02) << "power is kept, as in files";
}

/// G.711: silence is 0xFF in µ-law and 0xD5 in A-law; the loudest are 0x80 and 0xAA.
TEST(Pcm, TelephoneCodes) {
    for (const auto& [encoding, silent, loud] :
         {std::tuple(Encoding::ulaw, 0xFF, 0x80), std::tuple(Encoding::alaw, 0xD5, 0xAA)}) {
        for (const auto& [code, level] : {std::pair(silent, 0.0), std::pair(loud, 0.98)}) {
            auto decoder = PcmDecoder::open({.encoding = encoding, .rate = 16000});
            ASSERT_TRUE(decoder);
            std::vector<float> audio;
            ASSERT_TRUE(decoder->decode(std::vector(1600, static_cast<std::byte>(code)), audio));
            ASSERT_GT(audio.size(), 1000u);
            EXPECT_NEAR(audio[800], level, 0.02);
        }
    }
}

TEST(Pcm, PiecesNeedNotEndWithASample) {
    const auto bytes = tone<std::int16_t>(16000, 1, 32767);
    auto whole = PcmDecoder::open({});
    auto pieces = PcmDecoder::open({});
    std::vector<float> expected;
    std::vector<float> got;
    ASSERT_TRUE(whole->decode(bytes, expected));
    for (std::size_t at = 0; at < bytes.size(); at += 333)
        ASSERT_TRUE(pieces->decode(std::span(bytes).subspan(at, std::min<std::size_t>(333, bytes.size() - at)), got));
    EXPECT_EQ(got, expected);
    EXPECT_EQ(pieces->held_bytes(), 0u);
    ASSERT_TRUE(pieces->decode(std::span(bytes).first(1), got));
    EXPECT_EQ(pieces->held_bytes(), 1u);
}

TEST(Pcm, WhatCannotBeIsRefused) {
    for (const PcmFormat format :
         {PcmFormat{.rate = 0}, PcmFormat{.rate = 1'000'000}, PcmFormat{.channels = 0}, PcmFormat{.channels = 99}}) {
        const auto decoder = PcmDecoder::open(format);
        ASSERT_FALSE(decoder);
        EXPECT_EQ(decoder.error().code, ErrorCode::unsupported_parameter);
    }
}

}  // namespace
}  // namespace hotmic::audio
