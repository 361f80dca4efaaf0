#include "asr/coverage.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "asr/long_audio.hpp"

namespace hotmic {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

SampleRange seconds(double begin, double end) {
    return {static_cast<std::size_t>(begin * kSampleRate), static_cast<std::size_t>(end * kSampleRate)};
}

Segment segment(double start, double end, const char* text = " words") {
    return {.start = Seconds(start), .end = Seconds(end), .text = text};
}

TEST(Coverage, SpeechWithoutASegmentIsFound) {
    const std::vector speech{seconds(1, 5), seconds(6, 17)};
    const std::vector whole{segment(1, 5), segment(6.2, 16.8)};
    EXPECT_THAT(uncovered(speech, whole), IsEmpty());
    const std::vector first{segment(0, 5)};
    EXPECT_THAT(uncovered(speech, first), ElementsAre(seconds(6, 17)));
    const std::vector ends_early{segment(1, 5), segment(6, 9)};
    EXPECT_THAT(uncovered(speech, ends_early), ElementsAre(seconds(9.3, 17)));
    const std::vector hole{segment(1, 5), segment(6, 8), segment(12, 17)};
    EXPECT_THAT(uncovered(speech, hole), ElementsAre(seconds(8.3, 11.7)));
    EXPECT_THAT(uncovered(speech, {}), ElementsAre(seconds(1, 17))) << "what belongs together is heard at once";
}

TEST(Coverage, WhatIsShorterThanAShortSentenceIsNotLookedFor) {
    EXPECT_THAT(uncovered(std::vector{seconds(1, 2)}, {}), IsEmpty());
    EXPECT_THAT(uncovered(std::vector{seconds(1, 5)}, std::vector{segment(1, 3.8)}), IsEmpty());
}

TEST(Coverage, ARepetitionIsKnownByItsWords) {
    EXPECT_TRUE(is_repetition(" what you can do for your country.", " Your country"));
    EXPECT_FALSE(is_repetition(" what you can do", " for your country"));
    EXPECT_FALSE(is_repetition(" what", ""));
}

TEST(Coverage, CuesBeginAndEndWithTheirSpeech) {
    auto cue = segment(0, 30);
    cue.words = {{"a", Seconds(0), Seconds(8), 1}, {"b", Seconds(8), Seconds(30), 1}};
    fit_to_speech(cue, std::vector{seconds(8, 10), seconds(11, 12)});
    EXPECT_NEAR(cue.start.count(), 7.85, 1e-6);
    EXPECT_NEAR(cue.end.count(), 12.15, 1e-6);
    EXPECT_NEAR(cue.words.front().start.count(), 7.85, 1e-6);
    EXPECT_NEAR(cue.words.back().end.count(), 12.15, 1e-6);
    auto elsewhere = segment(20, 21);
    fit_to_speech(elsewhere, std::vector{seconds(8, 10)});
    EXPECT_EQ(elsewhere.start, Seconds(20));
}

/// One window, in which somebody speaks from 1 to 4 s and from 6 to 9 s.
class TwoPhrases final : public WindowCutter, public SpeechMap {
public:
    Result<std::optional<AudioWindow>> next(AudioSource& source, const std::stop_token&) override {
        AudioWindow window{.samples = read_all(source).value()};
        if (window.samples.empty()) return std::nullopt;
        return window;
    }
    [[nodiscard]] std::vector<SampleRange> speech_in_last() const override { return {seconds(1, 4), seconds(6, 9)}; }
};

/// Stops after the first phrase, as models do; hears the second where it is given that alone, if it is not deaf to it.
class StopsEarly final : public Recognizer {
public:
    explicit StopsEarly(bool deaf = false) : deaf_(deaf) {}
    Result<Transcript> transcribe(AudioView audio, const TranscribeOptions&, const SegmentSink& sink,
                                  std::stop_token) override {
        ++calls;
        Transcript transcript{.language = "en"};
        if (audio.size() > 5 * kSampleRate)
            transcript.segments = {segment(1, 4, " first phrase")};
        else if (!deaf_)
            transcript.segments = {segment(0.2, 3.2, " second phrase")};
        for (const auto& each : transcript.segments) {
            transcript.text += each.text;
            if (sink) sink(each);
        }
        return transcript;
    }
    int calls = 0;

private:
    bool deaf_;
};

TEST(Coverage, WhatAnEngineLeftOutIsHeardAgain) {
    StopsEarly engine;
    std::vector<std::string> told;
    const auto transcript = transcribe_source(
        engine, *source_from_samples(std::vector<float>(10 * kSampleRate)), {},
        [&](const Segment& each) { told.push_back(each.text); }, {}, std::make_unique<TwoPhrases>());
    ASSERT_TRUE(transcript) << transcript.error().describe();
    EXPECT_EQ(engine.calls, 2);
    EXPECT_EQ(transcript->text, "first phrase second phrase");
    ASSERT_EQ(transcript->segments.size(), 2u);
    EXPECT_NEAR(transcript->segments[1].start.count(), 6, 0.2);
    EXPECT_NEAR(transcript->segments[1].end.count(), 9, 0.2);
    EXPECT_THAT(told, ElementsAre(" first phrase", " second phrase"));
}

TEST(Coverage, WhatCannotBeHeardIsCounted) {
    StopsEarly engine(true);
    const auto source = source_from_samples(std::vector<float>(10 * kSampleRate));
    LongTranscription transcription(*source, {}, {}, std::make_unique<TwoPhrases>());
    ASSERT_TRUE(transcription.step(engine, {}));
    EXPECT_EQ(engine.calls, 2);
    const auto transcript = transcription.take();
    EXPECT_NEAR(transcript.uncovered.count(), 3, 0.01);
    EXPECT_EQ(transcript.segments.size(), 1u);
}

}  // namespace
}  // namespace hotmic
