#include "asr/providers/whisper_cpp/vad_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <format>
#include <fstream>
#include <random>

#include "audio/clip.hpp"
#include "support/vad_test_model.hpp"

namespace hotmic::whisper_cpp {
namespace {

using ::testing::HasSubstr;
using testing::VadDamage;
namespace fs = std::filesystem;

class VadModelTest : public ::testing::Test {
protected:
    std::shared_ptr<const VadModel> model(VadDamage damage = VadDamage::none) {
        testing::write_vad_model(path_, damage);
        return read_vad_model(path_).value();
    }
    static double share_of_voice(VoiceDetector& detector, AudioView audio) {
        double voices = 0;
        double frames = 0;
        for (; audio.size() >= VoiceDetector::kFrameSamples; audio = audio.subspan(VoiceDetector::kFrameSamples)) {
            voices += detector.hears_voice(audio.first(VoiceDetector::kFrameSamples)) ? 1 : 0;
            ++frames;
        }
        return voices / frames;
    }

    const std::vector<float> speech_ = audio::clip_of_length(Seconds(5)).value();
    const std::vector<float> silence_ = std::vector<float>(std::size_t{5} * kSampleRate);
    const fs::path path_ = fs::path(::testing::TempDir()) / std::format("vad-model-{}.bin", ::getpid());
};

TEST_F(VadModelTest, TellsSpeechFromSilenceAndNoise) {
    const auto detector = model()->make_detector(0.5).value();
    EXPECT_GT(share_of_voice(*detector, speech_), 0.7);
    EXPECT_LT(share_of_voice(*detector, silence_), 0.1) << "a moment of what went before";
    std::mt19937 random(1);
    std::uniform_real_distribution<float> loudness(-0.05F, 0.05F);
    std::vector<float> noise(silence_.size());
    for (auto& sample : noise) sample = loudness(random);
    EXPECT_LT(share_of_voice(*detector, noise), 0.1);
    EXPECT_GT(share_of_voice(*detector, speech_), 0.7) << "again";
}

TEST_F(VadModelTest, AThresholdOfOneHearsNobodyAndOneOfZeroEverybody) {
    const auto model = this->model();
    EXPECT_EQ(share_of_voice(*model->make_detector(1).value(), silence_), 0);
    EXPECT_GT(share_of_voice(*model->make_detector(0).value(), silence_), 0.9);
}

TEST_F(VadModelTest, DetectorsDoNotDisturbEachOther) {
    const auto model = this->model();
    const auto hears = model->make_detector(0.5).value();
    const auto waits = model->make_detector(0.5).value();
    for (std::size_t at = 0; at + VoiceDetector::kFrameSamples <= speech_.size(); at += VoiceDetector::kFrameSamples) {
        (void)hears->hears_voice(AudioView(speech_).subspan(at, VoiceDetector::kFrameSamples));
        ASSERT_FALSE(waits->hears_voice(AudioView(silence_).subspan(at, VoiceDetector::kFrameSamples)));
    }
}

TEST_F(VadModelTest, AModelThatHearsIsAcceptedAndADeafOneIsNot) {
    EXPECT_TRUE(try_vad_model(*model(), speech_));
    const auto deaf = try_vad_model(*model(VadDamage::deaf), speech_);
    ASSERT_FALSE(deaf);
    EXPECT_EQ(deaf.error().code, ErrorCode::model_corrupt);
    EXPECT_THAT(deaf.error().message, HasSubstr("0 % of speech"));
}

TEST_F(VadModelTest, ATornFileIsNoModel) {
    const auto torn = try_vad_model(*model(VadDamage::cut_in_last_tensor), speech_);
    ASSERT_FALSE(torn);
    EXPECT_EQ(torn.error().code, ErrorCode::model_not_recognized);
    std::ofstream(path_) << "this is no model";
    const auto other = try_vad_model(*read_vad_model(path_).value(), speech_);
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code, ErrorCode::model_not_recognized);
}

TEST_F(VadModelTest, AFileThatIsNotThereIsSaidToBeMissing) {
    const auto missing = read_vad_model("/no/such/vad.bin");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, ErrorCode::model_file_missing);
    EXPECT_THAT(missing.error().message, HasSubstr("/no/such/vad.bin"));
}

}  // namespace
}  // namespace hotmic::whisper_cpp
