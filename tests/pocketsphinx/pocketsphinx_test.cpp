/// What is particular to the pocketsphinx provider; what all providers share is in tests/conformance.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "asr/providers/pocketsphinx/decoder.hpp"
#include "asr/providers/pocketsphinx/model_files.hpp"
#include "asr/providers/pocketsphinx/provider.hpp"
#include "pocketsphinx/pocketsphinx_fixture.hpp"
#include "system/heap.hpp"
#include "system/memory.hpp"

namespace hotmic::pocketsphinx {
namespace {

using ::testing::HasSubstr;

TEST_F(PocketSphinx, TheSameAudioGivesTheSameTimesWhateverCameBefore) {
    const auto first = recognizer_->transcribe(clip(), {.word_timestamps = true}, {}, {}).value();
    std::vector<float> loud(2 * kSampleRate);
    for (std::size_t i = 0; i < loud.size(); ++i) loud[i] = i % 160 < 80 ? 0.9F : -0.9F;
    ASSERT_TRUE(recognizer_->transcribe(loud, {}, {}, {}));
    const auto later = recognizer_->transcribe(clip(), {.word_timestamps = true}, {}, {}).value();
    ASSERT_EQ(first.segments.size(), later.segments.size());
    for (std::size_t i = 0; i < first.segments.size(); ++i) {
        EXPECT_EQ(first.segments[i].text, later.segments[i].text);
        EXPECT_DOUBLE_EQ(first.segments[i].start.count(), later.segments[i].start.count());
        EXPECT_DOUBLE_EQ(first.segments[i].end.count(), later.segments[i].end.count());
        EXPECT_DOUBLE_EQ(first.segments[i].avg_logprob, later.segments[i].avg_logprob);
    }
}

TEST_F(PocketSphinx, AMinuteIsHeardToItsEnd) {
    const auto minute = audio::clip_of_length(Seconds(60)).value();
    const auto transcript = recognizer_->transcribe(minute, {.word_timestamps = true}, {}, {}).value();
    Seconds last(0);
    for (const auto& segment : transcript.segments) {
        for (const auto& word : segment.words) {
            EXPECT_GE(word.start, last);
            last = word.start;
        }
    }
    EXPECT_GT(last, Seconds(55));
    EXPECT_LE(last, Seconds(60));
    const auto sentence = recognizer_->transcribe(clip(), {}, {}, {}).value();
    const auto in_a_minute = 60 / sentence.duration.count();
    const auto words = [](const std::string& text) { return static_cast<double>(std::ranges::count(text, ' ') + 1); };
    EXPECT_NEAR(words(transcript.text), in_a_minute * words(sentence.text), 0.2 * in_a_minute * words(sentence.text));
}

TEST_F(PocketSphinx, SilenceIsAnEmptyTranscript) {
    EXPECT_EQ(recognizer_->transcribe(std::vector<float>(3 * kSampleRate), {}, {}, {}).value().text, "");
}

TEST_F(PocketSphinx, EnglishMayBeNamedInAnyWay) {
    for (const auto* name : {"EN", "English"})
        EXPECT_TRUE(recognizer_->transcribe(std::vector<float>(10), {.language = name}, {}, {}));
    const auto german = recognizer_->transcribe(clip(), {.language = "de"}, {}, {});
    ASSERT_FALSE(german);
    EXPECT_EQ(german.error().code, ErrorCode::unsupported_language);
    EXPECT_THAT(german.error().describe(), HasSubstr("language=en"));
    EXPECT_TRUE(recognizer_->transcribe(std::vector<float>(10), {.languages = {"en"}}, {}, {}));
    const auto bilingual = recognizer_->transcribe(clip(), {.languages = {"en", "de"}}, {}, {});
    ASSERT_FALSE(bilingual);
    EXPECT_EQ(bilingual.error().code, ErrorCode::unsupported_language);
    EXPECT_EQ(bilingual.error().param, "languages");
}

TEST_F(PocketSphinx, PromptAndTemperatureChangeNothing) {
    const auto plain = recognizer_->transcribe(clip(), {}, {}, {}).value().text;
    EXPECT_EQ(recognizer_->transcribe(clip(), {.prompt = "zebra", .temperature = 0.8}, {}, {}).value().text, plain);
    EXPECT_FALSE(model_->info().capabilities.prompt);
    EXPECT_FALSE(model_->info().capabilities.temperature);
}

TEST_F(PocketSphinx, WhatItCannotCheckOrUseIsRefused) {
    for (const ModelSpec& spec : {ModelSpec{.provider = "pocketsphinx", .path = {}, .sha256 = std::string(64, 'a')},
                                  ModelSpec{.provider = "pocketsphinx", .path = {}, .backend = "gpu"}}) {
        const auto file = provider_->inspect(spec);
        ASSERT_FALSE(file);
        EXPECT_EQ(file.error().code, ErrorCode::config_invalid);
        EXPECT_FALSE(file.error().param.empty());
    }
}

TEST_F(PocketSphinx, TheHeadersTellWhatTheModelIs) {
    const auto file = provider_->inspect({.provider = "pocketsphinx", .path = {}}).value();
    EXPECT_EQ(file.details.at("senones"), "5126");
    EXPECT_EQ(file.details.at("gaussians"), "42 codebooks of 128 in 39 dimensions");
    EXPECT_THAT(file.details.at("n_grams"), HasSubstr(" + "));
}

TEST(PocketSphinxLoading, IsAskedWhetherToGoOnBeforeTheLanguageModel) {
    int asked = 0;
    const auto decoder = make_decoder(find_model({}).value(), tuned_settings(), [&] { return ++asked > 1; });
    ASSERT_FALSE(decoder);
    EXPECT_EQ(decoder.error().code, ErrorCode::load_cancelled);
    EXPECT_EQ(asked, 1);
}

TEST(PocketSphinxLoading, ASettingThatDoesNotExistIsNamed) {
    for (const auto& setting : Settings{{"nonsense", "1"}, {"maxhmmpf", "many"}}) {
        const auto decoder = make_decoder(find_model({}).value(), {setting});
        ASSERT_FALSE(decoder);
        EXPECT_THAT(decoder.error().message, HasSubstr(setting.first));
    }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they need memory of their own
TEST(PocketSphinxLoading, TheEstimateCoversWhatASlotTakes) {
    const auto provider = make_provider();
    const ModelSpec spec{.provider = "pocketsphinx", .path = {}, .slots = 1};
    system::trim_heap();
    const auto before = system::resident_memory();
    LoadProgress progress;
    const auto model = provider->load(spec, progress, {}).value();
    const auto recognizer = model->make_recognizer().value();
    ASSERT_TRUE(recognizer->transcribe(audio::clip_of_length(Seconds(15)).value(), {}, {}, {}));
    const auto taken = system::resident_memory() - before;
    const auto estimate = provider->estimate(spec).value().total();
    EXPECT_LE(taken, estimate + mebibytes(8));
    EXPECT_GE(taken, estimate / 2);
}

#endif

TEST_F(PocketSphinx, TranslationIsRefusedByName) {
    const auto transcript = recognizer_->transcribe(clip(), {.task = Task::translate}, {}, {});
    ASSERT_FALSE(transcript);
    EXPECT_EQ(transcript.error().code, ErrorCode::unsupported_parameter);
}

}  // namespace
}  // namespace hotmic::pocketsphinx
