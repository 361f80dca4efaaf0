/// Times of words and segments are those of the sound.
#include "asr/whisper/loudness.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace hotmic::whisper {
namespace {

/// A hum in the middle second of three.
std::vector<float> hum() {
    std::vector<float> made(3 * kSampleRate, 0.0F);
    for (std::size_t i = kSampleRate; i < 2 * kSampleRate; ++i) made[i] = 0.3F * std::sin(static_cast<float>(i) * 0.1F);
    return made;
}

TEST(Loudness, AWordBesideAPauseBeginsAndEndsWithTheSound) {
    const auto audio = hum();
    std::vector<Word> words{{.text = "one", .start = Seconds(0.2), .end = Seconds(1.5)},
                            {.text = "two", .start = Seconds(1.5), .end = Seconds(2.9)}};
    EXPECT_NEAR(settle_words(words, Loudness(audio), Seconds(0), Seconds(3)).count(), 2, 0.02);
    EXPECT_NEAR(words[0].start.count(), 1, 0.02);
    EXPECT_NEAR(words[0].end.count(), 1.5, 0.02);
    EXPECT_NEAR(words[1].start.count(), 1.5, 0.02);
    EXPECT_NEAR(words[1].end.count(), 2, 0.02);
}

TEST(Loudness, WordsThatCrowdAtTheEndHaveALengthAndAnOrder) {
    const auto audio = hum();
    for (const double at : {1.9, 2.5, 3.0, 28.0}) {
        std::vector<Word> words(4, Word{.text = "w", .start = Seconds(at), .end = Seconds(at)});
        EXPECT_LE(settle_words(words, Loudness(audio), Seconds(0.5), Seconds(3)), Seconds(3));
        Seconds last(0.5);
        for (const auto& word : words) {
            EXPECT_GE(word.start, last) << at;
            EXPECT_GT(word.end, word.start) << at;
            last = word.end;
        }
        EXPECT_LE(last, Seconds(3));
    }
}

TEST(Loudness, ASegmentHasTheEdgesOfItsWordsOrOfItsSound) {
    const auto audio = hum();
    const Loudness loudness(audio);
    Segment plain{.start = Seconds(0), .end = Seconds(3)};
    settle_segment(plain, loudness);
    EXPECT_NEAR(plain.start.count(), 1, 0.02);
    EXPECT_NEAR(plain.end.count(), 2, 0.02);
    Segment spoken{
        .start = Seconds(0), .end = Seconds(3), .words = {{.text = "w", .start = Seconds(1.2), .end = Seconds(1.4)}}};
    settle_segment(spoken, loudness);
    EXPECT_EQ(spoken.start, Seconds(1.2));
    EXPECT_EQ(spoken.end, Seconds(1.4));
    Segment silent{.start = Seconds(2.2), .end = Seconds(2.8)};
    settle_segment(silent, loudness);
    EXPECT_EQ(silent.start, Seconds(2.2)) << "where there is no sound the engine's times stay";
    EXPECT_EQ(silent.end, Seconds(2.8));
}

}  // namespace
}  // namespace hotmic::whisper
