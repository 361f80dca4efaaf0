#include "speech/level.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "hotmic/voice.hpp"

namespace hotmic {
namespace {

std::vector<float> tone(float amplitude) {
    std::vector<float> frame(VoiceDetector::kFrameSamples);
    for (std::size_t i = 0; i < frame.size(); ++i) frame[i] = amplitude * std::sin(static_cast<float>(i) * 0.3F);
    return frame;
}

double rms(AudioView audio) {
    double energy = 0;
    for (const float sample : audio) energy += static_cast<double>(sample) * sample;
    return std::sqrt(energy / static_cast<double>(audio.size()));
}

TEST(Leveller, MakesQuietVoicesAsLoudAsOthers) {
    for (const float amplitude : {0.14F, 0.03F, 0.003F}) {
        Leveller leveller;
        EXPECT_NEAR(rms(leveller.level(tone(amplitude))), 0.1, 0.02) << amplitude;
        EXPECT_FALSE(leveller.silent());
    }
}

TEST(Leveller, LeavesLoudVoicesAsTheyAre) {
    Leveller leveller;
    const auto loud = tone(0.5F);
    EXPECT_NEAR(rms(leveller.level(loud)), rms(loud), 1e-6);
}

TEST(Leveller, FollowsAVoiceThirtyDecibelsBelowWithinSeconds) {
    Leveller leveller;
    for (int i = 0; i < 30; ++i) (void)leveller.level(tone(0.3F));
    EXPECT_LT(rms(leveller.level(tone(0.01F))), 0.01);
    for (int i = 0; i < 150; ++i) (void)leveller.level(tone(0.01F));
    EXPECT_GT(rms(leveller.level(tone(0.01F))), 0.08);
}

TEST(Leveller, WhatIsAsGoodAsDigitalSilenceIsSilent) {
    Leveller leveller;
    (void)leveller.level(tone(3e-5F));  // -93 dBFS
    EXPECT_TRUE(leveller.silent());
    (void)leveller.level(tone(3e-3F));
    EXPECT_FALSE(leveller.silent());
    EXPECT_TRUE(is_silent(tone(3e-5F)));
    EXPECT_FALSE(is_silent(tone(3e-3F)));
    EXPECT_TRUE(is_silent({}));
}

}  // namespace
}  // namespace hotmic
