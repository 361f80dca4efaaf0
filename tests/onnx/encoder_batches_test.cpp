/// Streams that share runs of an encoder.
#include <gtest/gtest.h>
#include <unistd.h>

#include <barrier>
#include <filesystem>
#include <thread>

#include "asr/providers/onnx/transducer/encoder_batches.hpp"
#include "support/transducer_test_folder.hpp"

namespace hotmic::onnx {
namespace {

class EncoderBatchesTest : public ::testing::Test {
protected:
    void SetUp() override { testing::write_transducer_folder(path_, {.rows = true}); }
    void TearDown() override { std::filesystem::remove_all(path_); }
    StreamingEncoder encoder() const {
        const auto folder = read_transducer_folder(path_).value();
        return {Ort::Session(environment(), folder.encoder.file.c_str(), session_options(1)), folder};
    }
    const std::filesystem::path path_ =
        std::filesystem::temp_directory_path() / ("hotmic-batches-" + std::to_string(getpid()));
};

TEST_F(EncoderBatchesTest, WhatComesWhileTheLaneIsTakenRunsTogetherAndIsTheSame) {
    constexpr std::size_t kStreams = 6;
    constexpr int kSteps = 12;
    constexpr int kMostRounds = 1000;
    const auto encoder = this->encoder();
    ASSERT_TRUE(encoder.takes_rows());
    // Each stream's chunks are others.
    const auto features = [](std::size_t stream, int step) {
        return std::vector<float>(std::size_t{45} * 80, static_cast<float>(stream) - 0.1F * static_cast<float>(step));
    };
    const auto alone = [&](std::size_t stream) {
        auto state = encoder.begin();
        std::vector<float> all;
        for (int step = 0; step < kSteps; ++step) {
            const auto chunk = features(stream, step);
            EncodedFrames frames;
            EncoderRow row{.features = chunk, .state = &state, .frames = &frames};
            encoder.run({&row, 1}, CancellableRun({}));
            all.append_range(frames.values);
        }
        return std::pair(state, all);
    };
    std::size_t most = 0;
    for (int round = 0; round < kMostRounds && most < 2; ++round) {
        EncoderBatches batches(encoder, 1);
        std::vector<std::pair<EncoderState, std::vector<float>>> beside(kStreams, {encoder.begin(), {}});
        std::barrier start(kStreams);
        std::vector<std::jthread> threads;
        for (std::size_t stream = 0; stream < kStreams; ++stream) {
            threads.emplace_back([&, stream] {
                auto& [state, all] = beside[stream];
                start.arrive_and_wait();
                for (int step = 0; step < kSteps; ++step) {
                    const auto chunk = features(stream, step);
                    EncodedFrames frames;
                    batches.run({.features = chunk, .state = &state, .frames = &frames}, CancellableRun({}));
                    all.append_range(frames.values);
                }
            });
        }
        threads.clear();
        most = batches.counts().most;
        EXPECT_EQ(batches.counts().rows, kStreams * kSteps);
        EXPECT_LE(batches.counts().runs, batches.counts().rows);
        for (std::size_t stream = 0; stream < kStreams; ++stream)
            ASSERT_EQ(beside[stream], alone(stream)) << "to the last bit, whoever was beside it";
    }
    EXPECT_GE(most, 2U) << "none ever shared a run";
}

}  // namespace
}  // namespace hotmic::onnx
