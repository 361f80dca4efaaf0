#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "asr/providers/pocketsphinx/decoder.hpp"
#include "asr/providers/pocketsphinx/growing_utterance.hpp"
#include "asr/providers/pocketsphinx/model_files.hpp"
#include "asr/providers/pocketsphinx/provider.hpp"
#include "lifecycle/warmup_runner.hpp"
#include "pocketsphinx/pocketsphinx_fixture.hpp"

namespace hotmic::pocketsphinx {
namespace {

StreamStep step(std::size_t from, bool last = false) {
    return {.stream = 7, .from = Samples(from), .last = last};
}

/// What is heard of `audio` as it is fed half a second each time.
std::vector<std::string> grown(Recognizer& recognizer, AudioView audio) {
    constexpr std::size_t kStep = kSampleRate / 2;
    std::vector<std::string> heard;
    for (std::size_t from = 0; from < audio.size(); from += kStep) {
        const auto piece = audio.subspan(from, std::min(kStep, audio.size() - from));
        heard.push_back(recognizer.transcribe(piece, {.step = step(from)}, {}, {}).value().text);
    }
    return heard;
}

std::vector<float> louder(std::vector<float> audio) {
    for (auto& sample : audio) sample = std::clamp(sample * 8, -1.0F, 1.0F);
    return audio;
}

TEST_F(PocketSphinx, AGrowingUtteranceIsHeardWhileItGrowsAndInTheEndLikeTheWhole) {
    const auto heard = grown(*recognizer_, clip());
    const auto half = heard[heard.size() / 2];
    EXPECT_THAT(half, ::testing::Not(::testing::IsEmpty()));
    EXPECT_LT(half.size(), heard.back().size());
    const auto whole = recognizer_->transcribe(clip(), {}, {}, {}).value().text;
    EXPECT_LE(word_error_rate(audio::builtin_clip().text, heard.back()),
              word_error_rate(audio::builtin_clip().text, whole) + 0.1)
        << heard.back();
}

TEST_F(PocketSphinx, AGrowingUtteranceIsNotDecodedAnewEachTime) {
    const auto decoder = make_decoder(find_model({}).value(), tuned_settings()).value();
    const auto pcm = to_pcm16(audio::clip_of_length(Seconds(15)).value());
    GrowingUtterance growing(*decoder);
    constexpr std::size_t kStep = kSampleRate / 2;
    std::uint64_t anew = 0;
    for (std::size_t size = kStep; size <= pcm.size(); size += kStep) {
        ASSERT_TRUE(growing.hear(std::span(pcm).first(size)));
        anew += size;
    }
    EXPECT_LE(growing.decoded(), 4 * pcm.size());
    EXPECT_LT(growing.decoded(), anew / 4);
}

TEST_F(PocketSphinx, MuchOfAGrowingUtteranceMayComeAtOnce) {
    const auto much = audio::clip_of_length(Seconds(18)).value();
    for (const double seconds : {0.14, 0.3, 5.0, 12.0, 3.0}) {
        // A whole recording leaves the engine a queue of just its length.
        const auto whole = std::span(much).subspan(kSampleRate, static_cast<std::size_t>(seconds * kSampleRate));
        ASSERT_TRUE(recognizer_->transcribe(whole, {}, {}, {}));
        ASSERT_TRUE(recognizer_->transcribe(std::span(much).first(kSampleRate), {.step = step(0)}, {}, {}));
        const auto heard =
            recognizer_->transcribe(std::span(much).subspan(kSampleRate), {.step = step(kSampleRate)}, {}, {});
        ASSERT_TRUE(heard);
        EXPECT_GT(heard->text.size(), 100u);
    }
}

TEST_F(PocketSphinx, OneGrowingUtteranceLeavesNothingBehindForTheNext) {
    const auto first = grown(*recognizer_, clip());
    EXPECT_NE(grown(*recognizer_, louder(clip())), std::vector<std::string>(first.size()));
    EXPECT_EQ(grown(*recognizer_, clip()), first);
}

TEST_F(PocketSphinx, AGrowingUtteranceLeavesNothingBehindForTheNextRequest) {
    const auto before = recognizer_->transcribe(clip(), {}, {}, {}).value().text;
    const auto loud = louder(clip());
    (void)grown(*recognizer_, std::span(loud).first(2 * kSampleRate));  // and is never finished
    EXPECT_EQ(recognizer_->transcribe(clip(), {}, {}, {}).value().text, before);
}

TEST_F(PocketSphinx, AnotherRequestInBetweenDoesNoHarmToAGrowingUtterance) {
    const auto speech = clip();
    const auto half = speech.size() / 2;
    std::vector<std::string> texts;
    for (int round = 0; round < 2; ++round) {
        (void)recognizer_->transcribe(std::span(speech).first(half), {.step = step(0)}, {}, {});
        (void)recognizer_->transcribe(louder(clip()), {}, {}, {});
        texts.push_back(
            recognizer_->transcribe(std::span(speech).subspan(half), {.step = step(half)}, {}, {}).value().text);
    }
    EXPECT_EQ(texts[0], texts[1]);
    EXPECT_GT(texts[0].size(), 20u);
}

TEST_F(PocketSphinx, AStreamEndsAsTheWholeIsHeardAndIsThenUnknown) {
    const auto speech = clip();
    const auto half = speech.size() / 2;
    const auto whole = recognizer_->transcribe(clip(), {}, {}, {}).value().text;
    (void)recognizer_->transcribe(std::span(speech).first(half), {.step = step(0)}, {}, {});
    const auto rest = std::span(speech).subspan(half);
    EXPECT_EQ(recognizer_->transcribe(rest, {.step = step(half - 1)}, {}, {}).error().code, ErrorCode::stream_lost);
    EXPECT_EQ(recognizer_->transcribe(rest, {.step = step(half, true)}, {}, {}).value().text, whole);
    EXPECT_EQ(recognizer_->transcribe({}, {.step = step(speech.size())}, {}, {}).error().code, ErrorCode::stream_lost);
}

TEST_F(PocketSphinx, WordsOfAGrowingUtteranceLieWithinIt) {
    auto audio = std::vector<float>(kSampleRate);
    const auto speech = clip();
    audio.insert(audio.end(), speech.begin(), speech.end());
    const auto heard = recognizer_->transcribe(audio, {.word_timestamps = true, .step = step(0)}, {}, {}).value();
    Seconds last(0.5);
    int words = 0;
    for (const auto& segment : heard.segments) {
        for (const auto& word : segment.words) {
            ++words;
            EXPECT_GE(word.start, last);
            EXPECT_LE(word.end.count(), seconds_of(audio.size()).count() + 0.1);
            EXPECT_GE(word.probability, 0);
            EXPECT_LE(word.probability, 1);
            last = word.start;
        }
    }
    EXPECT_GT(words, 3);
}

TEST_F(PocketSphinx, AGrowingUtteranceRefusesNumbersThatAreNone) {
    const auto heard = recognizer_->transcribe(std::vector<float>{0.1F, std::numeric_limits<float>::quiet_NaN()},
                                               {.step = step(0)}, {}, {});
    ASSERT_FALSE(heard);
    EXPECT_EQ(heard.error().code, ErrorCode::audio_invalid_samples);
}

}  // namespace
}  // namespace hotmic::pocketsphinx
