/// A trained detector (Silero) on recordings of people, and of none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "asr/long_audio.hpp"
#include "asr/providers/whisper_cpp/vad_model.hpp"
#include "speech/speech_cutter.hpp"

namespace hotmic {
namespace {

namespace fs = std::filesystem;

const fs::path kShared = fs::path(HOTMIC_SOURCE_DIR).parent_path() / "shared";
const fs::path kModel = kShared / "models" / "silero" / "ggml-silero-v6.2.0.bin";

class Silero : public ::testing::Test {
protected:
    void SetUp() override {
        if (!fs::exists(kModel)) GTEST_SKIP() << "NO SILERO: " << kModel << " is not there";
        model_ = whisper_cpp::read_vad_model(kModel).value();
    }

    static std::vector<float> clip(const std::string& name) {
        return read_all(*open_media_file(kShared / "speech" / name).value()).value();
    }

    struct Cut {
        std::vector<AudioWindow> windows;
        std::vector<SampleRange> speech;
    };
    [[nodiscard]] Cut cut(const std::vector<float>& audio) const {
        const auto source = source_from_view(audio);
        const auto cutter = make_file_cutter(model_).value();
        Cut cut;
        while (auto window = cutter->next(*source, {}).value()) {
            cut.windows.push_back(*std::move(window));
            cut.speech.append_range(dynamic_cast<const SpeechMap&>(*cutter).speech_in_last());
        }
        return cut;
    }

    static double seconds(const std::vector<SampleRange>& ranges) {
        std::size_t samples = 0;
        for (const auto& range : ranges) samples += range.end - range.begin;
        return seconds_of(samples).count();
    }

    std::shared_ptr<const VadModel> model_;
};

/// Music has a second of what might be a voice; what a model makes of that is left to `keep_speech`.
TEST_F(Silero, WhatIsNoSpeechHasNextToNoWindow) {
    for (const auto& entry : fs::directory_iterator(kShared / "speech")) {
        const auto name = entry.path().filename().string();
        if (!name.starts_with("none-")) continue;
        EXPECT_LT(seconds(cut(clip(name)).speech), 1.5) << name;
    }
    EXPECT_TRUE(cut(std::vector<float>(60 * kSampleRate)).windows.empty());
}

TEST_F(Silero, NoRecordingOfAPersonIsMissedHoweverQuiet) {
    for (const auto& entry : fs::directory_iterator(kShared / "speech")) {
        const auto name = entry.path().filename().string();
        if (!name.ends_with(".wav") || name.starts_with("none-")) continue;
        auto audio = clip(name);
        const auto loud = seconds(cut(audio).speech);
        EXPECT_GT(loud, 0.3) << name;
        for (auto& sample : audio) sample *= 0.03F;
        EXPECT_GT(seconds(cut(audio).speech), 0.5 * loud) << name << ", 30 dB quieter";
    }
}

TEST_F(Silero, RecordingsAreCutAtPausesAndNothingIsLost) {
    const auto first = clip("lj-LJ002-0020.wav");
    const auto second = clip("jfk.wav");
    std::vector<float> audio(8 * kSampleRate);
    audio.append_range(first);
    audio.resize(audio.size() + kSampleRate);
    const auto at = audio.size();
    audio.append_range(second);
    const auto result = cut(audio);
    ASSERT_GE(result.windows.size(), 2u);
    EXPECT_NEAR(Seconds(result.windows.front().start).count(), 8, 0.5);
    const bool cut_there = std::ranges::any_of(result.windows, [&](const AudioWindow& window) {
        return std::chrono::abs(window.start - seconds_of(at)) < Seconds(0.6);
    });
    EXPECT_TRUE(cut_there) << "the pause of a second is one to cut at";
    for (const auto& window : result.windows) {
        EXPECT_LE(window.samples.size(), 30u * kSampleRate);
        EXPECT_TRUE(
            std::ranges::equal(window.samples, std::span(audio).subspan(window.start.count(), window.samples.size())));
    }
}

}  // namespace
}  // namespace hotmic
