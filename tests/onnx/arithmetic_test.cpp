/// The pieces under the engine: each against what defines it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <random>

#include "asr/providers/onnx/cross_attention.hpp"
#include "asr/providers/onnx/half_kernels.hpp"
#include "asr/providers/onnx/log_mel.hpp"
#include "asr/providers/onnx/whisper/alignment.hpp"
#include "asr/providers/onnx/whisper/source.hpp"
#include "support/half.hpp"

namespace hotmic::onnx {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::FloatNear;

TEST(HalfKernels, NumbersOfSixteenBitsAreReadAsTheyAreWritten) {
    for (const float value : {0.0F, 1.0F, -1.0F, 0.5F, 65504.0F, -2.25F, 0.0001220703125F}) {
        EXPECT_EQ(from_half(testing::half(value)), value);
    }
    EXPECT_EQ(from_half(0x0001), 0x1p-24F) << "below the normal numbers";
    EXPECT_TRUE(std::isinf(from_half(0x7C00)));
    EXPECT_TRUE(std::isnan(from_half(0x7E00)));
}

TEST(HalfKernels, WhatTheProcessorDoesFastIsWhatEveryProcessorDoes) {
    constexpr std::size_t kRows = 37;
    constexpr std::size_t kStride = 3 * kHeadWidth;
    std::mt19937 random(7);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
    std::uniform_real_distribution<float> some(-2, 2);
    std::vector<Half> rows(kRows * kStride);
    for (auto& each : rows) each = testing::half(some(random));
    std::vector<float> query(kHeadWidth);
    for (auto& each : query) each = some(random);
    std::vector<float> weights(kRows);
    for (auto& each : weights) each = some(random);

    std::vector<float> products(kRows);
    std::vector<float> expected(kRows);
    half_kernels().dot(query.data(), rows.data(), kStride, kRows, products.data());
    portable_half_kernels().dot(query.data(), rows.data(), kStride, kRows, expected.data());
    for (std::size_t i = 0; i < kRows; ++i) EXPECT_NEAR(products[i], expected[i], 1e-4) << i;

    std::vector<float> sum(kHeadWidth);
    std::vector<float> expected_sum(kHeadWidth);
    half_kernels().weighted_sum(weights.data(), rows.data(), kStride, kRows, sum.data());
    portable_half_kernels().weighted_sum(weights.data(), rows.data(), kStride, kRows, expected_sum.data());
    for (std::size_t i = 0; i < kHeadWidth; ++i) EXPECT_NEAR(sum[i], expected_sum[i], 1e-4) << i;
}

TEST(CrossAttention, WeightsSumToOneAndFavourTheLikeliestFrame) {
    constexpr std::size_t kFrames = 5;
    std::vector<Half> keys(kFrames * kHeadWidth, testing::half(0));
    keys[3 * kHeadWidth] = testing::half(16);
    std::vector<float> query(kHeadWidth, 0);
    query[0] = 1;
    std::vector<float> weights(kFrames);
    attention_weights(query, keys.data(), kHeadWidth, weights);
    const float other = 1 / (4 + std::exp(2.0F));  // 16 · 1 ÷ √64 = 2
    EXPECT_THAT(weights, ElementsAre(FloatNear(other, 1e-5F), FloatNear(other, 1e-5F), FloatNear(other, 1e-5F),
                                     FloatNear(1 - 4 * other, 1e-5F), FloatNear(other, 1e-5F)));
}

/// One second of a rising tone, as float32 makes it.
std::vector<float> rising_tone() {
    std::vector<float> audio(kSampleRate);
    for (std::size_t i = 0; i < audio.size(); ++i) {
        const double t = static_cast<double>(i) / kSampleRate;
        audio[i] = static_cast<float>(0.5 * std::sin(2 * std::numbers::pi * (200 * t + 900 * t * t)) * (0.3 + 0.7 * t));
    }
    return audio;
}

TEST(LogMel, IsWhatFasterWhisperComputes) {
    // faster_whisper 1.2.1, FeatureExtractor()(pad(rising_tone, 1 s))[:, :100]
    struct Known {
        std::size_t row;
        std::size_t frame;
        float value;
    };
    constexpr std::size_t kFrames = 100;
    LogMel mel(slaney_filters(80));
    const auto features = mel.features(rising_tone(), kFrames);
    for (const auto& [row, frame, value] :
         {Known{0, 0, 0.906648F}, Known{3, 10, -0.122517F}, Known{10, 50, -0.615349F}, Known{20, 99, 0.015712F},
          Known{40, 3, -0.615349F}, Known{79, 98, -0.615349F}, Known{30, 60, 0.637449F}}) {
        EXPECT_NEAR(features[row * kFrames + frame], value, 1e-3) << row << " " << frame;
    }
}

TEST(LogMel, ItsFiltersAreThoseOfPublishedFiles) {
    auto source = open_ggml_source(HOTMIC_SOURCE_DIR "/models/numbers/hotmic-numbers.en-q5_0.bin");
    ASSERT_TRUE(source) << source.error().describe();
    const auto theirs = (*source)->mel_filters();
    const auto ours = slaney_filters(80);
    ASSERT_EQ(ours.size(), theirs.size());
    for (std::size_t i = 0; i < ours.size(); ++i) EXPECT_NEAR(ours[i], theirs[i], 1e-6) << i;
}

TEST(LogMel, SilenceBehindTheAudioIsSilenceWhateverItsLength) {
    LogMel mel(slaney_filters(80));
    const auto audio = rising_tone();
    const auto few = mel.features(audio, 200);
    const auto many = mel.features(audio, 400);
    for (std::size_t row = 0; row < 80; ++row)
        for (std::size_t frame = 0; frame < 200; ++frame) EXPECT_EQ(few[row * 200 + frame], many[row * 400 + frame]);
}

TEST(Quantization, EveryRowHasAScaleOfItsOwn) {
    const std::vector<float> values{1, -2, 4, 0.01F, 0.02F, -0.04F, 0, 0, 0};
    const auto made = quantized({3, 3}, values, Quantization::int8);
    for (std::size_t i = 0; i < values.size(); ++i) {
        EXPECT_NEAR(static_cast<float>(made.quantized[i]) * made.scales[i / 3], values[i], made.scales[i / 3] * 0.501F)
            << i;
    }
    EXPECT_EQ(made.quantized[2], 127);
    EXPECT_EQ(made.quantized[5], -127) << "the small row is not drowned by the large one";
}

TEST(Quantization, SevenBitsNeverSaturateASumOfTwoProducts) {
    const std::vector<float> values(64, 3);
    const auto made = quantized({1, 64}, values, Quantization::int7);
    EXPECT_THAT(made.quantized, Each(63));
    EXPECT_LE(2 * 63 * 255, std::numeric_limits<std::int16_t>::max());
}

TEST(Alignment, ThePathFollowsTheCheapestCellsAndNeverGoesBack) {
    // Three tokens over six frames: said at 0, at 2 and at 5.
    const std::vector<float> cost{-1, -1, 1,  1,  1,  1,  //
                                  1,  1,  -1, -1, -1, 1,  //
                                  1,  1,  1,  1,  1,  -1};
    EXPECT_THAT(warp(cost, 3, 6), ElementsAre(0u, 2u, 5u));
}

}  // namespace
}  // namespace hotmic::onnx
