#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <format>
#include <latch>
#include <thread>

#include "asr/long_audio.hpp"

namespace hotmic {
namespace {

/// Remembers what it was given, and answers one segment a window.
class Listener final : public Recognizer {
public:
    Result<Transcript> transcribe(AudioView audio, const TranscribeOptions& options, const SegmentSink& sink,
                                  std::stop_token) override {
        heard.insert(heard.end(), audio.begin(), audio.end());
        windows.push_back(audio.size());
        languages.push_back(options.language);
        Segment segment{.start = Seconds(0.25),
                        .end = seconds_of(audio.size()),
                        .text = "w",
                        .words = {{"w", Seconds(0.25), Seconds(0.5), 1}}};
        if (sink) sink(segment);
        return Transcript{.text = "w", .language = "de", .duration = seconds_of(audio.size()), .segments = {segment}};
    }

    std::vector<float> heard;
    std::vector<std::size_t> windows;
    std::vector<std::string> languages;
};

std::vector<float> numbered(std::size_t count) {
    std::vector<float> samples(count);
    for (std::size_t i = 0; i < count; ++i) samples[i] = static_cast<float>(i % 1000) / 1000;
    return samples;
}

class LongAudio : public ::testing::TestWithParam<double> {};

TEST_P(LongAudio, EverySampleIsHeardOnceInOrder) {
    const auto samples = numbered(static_cast<std::size_t>(GetParam() * kSampleRate));
    Listener listener;
    const auto transcript = transcribe_source(listener, *source_from_view(samples), {}, {}, {},
                                              make_pause_cutter(Seconds(2), Seconds(0.7)));
    ASSERT_TRUE(transcript);
    EXPECT_TRUE(listener.heard == samples);
    EXPECT_DOUBLE_EQ(transcript->duration.count(), GetParam());
    EXPECT_THAT(listener.windows, ::testing::Each(::testing::Le(2u * kSampleRate)));
}
INSTANTIATE_TEST_SUITE_P(Lengths, LongAudio, ::testing::Values(0.0625, 1.0, 2.0, 2.0625, 3.9375, 4.0, 17.5));

/// Says "[Music]", and is sure of its language.
class Musical final : public Recognizer {
public:
    Result<Transcript> transcribe(AudioView audio, const TranscribeOptions& options, const SegmentSink&,
                                  std::stop_token) override {
        asked.push_back(options.language);
        Segment segment{.start = Seconds(0), .end = seconds_of(audio.size()), .text = " [Music] la"};
        return Transcript{.text = "[Music] la",
                          .language = options.language.empty() ? "de" : options.language,
                          .language_probability = options.language.empty() ? 0.75 : 0,
                          .duration = seconds_of(audio.size()),
                          .segments = {segment}};
    }
    std::vector<std::string> asked;
};

TEST(LongAudio, SoundsAreForWhoAsks) {
    Musical musical;
    const auto heard = [&](bool tag) {
        return transcribe_source(musical, *source_from_samples(numbered(kSampleRate)), {.tag_audio_events = tag}, {},
                                 {})
            .value()
            .text;
    };
    EXPECT_EQ(heard(false), "la");
    EXPECT_EQ(heard(true), "[Music] la");
}

TEST(LongAudio, WhatWasDetectedIsToldOnce) {
    Musical musical;
    const auto whole =
        transcribe_source(musical, *source_from_samples(numbered(5 * kSampleRate)), {.languages = {"de", "en"}}, {}, {},
                          make_pause_cutter(Seconds(2.5), Seconds(0.2)));
    ASSERT_TRUE(whole);
    EXPECT_THAT(musical.asked, ::testing::ElementsAre("", "de", "de")) << "and then kept";
    ASSERT_EQ(whole->detections.size(), 1u);
    EXPECT_EQ(whole->detections[0].language, "de");
    EXPECT_EQ(whole->detections[0].probability, 0.75);
}

TEST(LongAudio, OfOneLanguageThereIsNothingToDetect) {
    Musical musical;
    const auto whole =
        transcribe_source(musical, *source_from_samples(numbered(kSampleRate)), {.languages = {"fr"}}, {}, {});
    ASSERT_TRUE(whole);
    EXPECT_THAT(musical.asked, ::testing::ElementsAre("fr"));
    EXPECT_THAT(whole->detections, ::testing::IsEmpty());
}

TEST(LongAudio, TimesAreOnTheClockOfTheWhole) {
    Listener listener;
    std::vector<double> told;
    const auto transcript = transcribe_source(
        listener, *source_from_samples(numbered(5 * kSampleRate)), {},
        [&](const Segment& segment) { told.push_back(segment.start.count()); }, {},
        make_pause_cutter(Seconds(2), Seconds(1)));
    ASSERT_TRUE(transcript);
    ASSERT_GT(transcript->segments.size(), 2u);
    double offset = 0;
    for (std::size_t i = 0; i < transcript->segments.size(); ++i) {
        EXPECT_DOUBLE_EQ(transcript->segments[i].start.count(), offset + 0.25);
        EXPECT_DOUBLE_EQ(transcript->segments[i].words[0].start.count(), offset + 0.25);
        EXPECT_DOUBLE_EQ(told[i], offset + 0.25);
        offset += seconds_of(listener.windows[i]).count();
    }
    EXPECT_EQ(transcript->text, "w w w");
}

TEST(LongAudio, TheLanguageOfTheFirstWindowIsKept) {
    Listener listener;
    ASSERT_TRUE(transcribe_source(listener, *source_from_samples(numbered(5 * kSampleRate)), {}, {}, {},
                                  make_pause_cutter(Seconds(2), Seconds(1))));
    EXPECT_THAT(listener.languages, ::testing::ElementsAre("", "de", "de"));
}

/// Hears nothing in its first window, then speech in a language without spaces.
class LateListener final : public Recognizer {
public:
    Result<Transcript> transcribe(AudioView audio, const TranscribeOptions& options, const SegmentSink&,
                                  std::stop_token) override {
        languages.push_back(options.language);
        if (languages.size() == 1) return Transcript{.language = "en", .duration = seconds_of(audio.size())};
        return Transcript{.text = "字", .language = "ja", .duration = seconds_of(audio.size()), .segments = {{}}};
    }
    std::vector<std::string> languages;
};

TEST(LongAudio, SilenceDoesNotDecideTheLanguageAndTextIsJoinedAsItIsWritten) {
    LateListener listener;
    const auto transcript = transcribe_source(listener, *source_from_samples(numbered(7 * kSampleRate)), {}, {}, {},
                                              make_pause_cutter(Seconds(2), Seconds(1)));
    ASSERT_TRUE(transcript);
    ASSERT_GE(listener.languages.size(), 4u);
    EXPECT_EQ(listener.languages[1], "");
    EXPECT_EQ(listener.languages[2], "ja");
    EXPECT_EQ(transcript->language, "ja");
    EXPECT_TRUE(transcript->text.starts_with("字字")) << transcript->text;
}

TEST(LongAudio, NoAudioIsAnError) {
    Listener listener;
    const auto transcript = transcribe_source(listener, *source_from_view({}), {}, {}, {});
    ASSERT_FALSE(transcript);
    EXPECT_EQ(transcript.error().code, ErrorCode::audio_empty);
}

TEST(LongAudio, StopsBetweenWindows) {
    Listener listener;
    std::stop_source stop;
    const auto transcript = transcribe_source(
        listener, *source_from_samples(numbered(20 * kSampleRate)), {}, [&](const Segment&) { stop.request_stop(); },
        stop.get_token(), make_pause_cutter(Seconds(2), Seconds(1)));
    ASSERT_FALSE(transcript);
    EXPECT_EQ(transcript.error().code, ErrorCode::cancelled);
    EXPECT_EQ(listener.windows.size(), 1u);
}

/// Says where it was, and waits in each window until so many are under way beside each other.
class Meeting final : public Recognizer {
public:
    Meeting(std::latch& met, std::atomic<int>& most) : met_(met), most_(most) {}

    Result<Transcript> transcribe(AudioView audio, const TranscribeOptions& options, const SegmentSink& sink,
                                  std::stop_token) override {
        if (!options.language.empty() && !std::exchange(waited_, true)) met_.arrive_and_wait();
        ++most_;
        languages.push_back(options.language);
        const Segment segment{
            .start = Seconds(0), .end = seconds_of(audio.size()), .text = std::format("{:.3f}", audio.front())};
        if (sink) sink(segment);
        return Transcript{.text = segment.text,
                          .language = "de",
                          .duration = segment.end,
                          .segments = {segment},
                          .counters = {{"windows", 1}}};
    }

    std::vector<std::string> languages;

private:
    std::latch& met_;
    std::atomic<int>& most_;
    bool waited_ = false;
};

TEST(LongAudio, WhoHelpsHearsOtherWindowsAndTheyAreToldInOrder) {
    const auto samples = numbered(21 * kSampleRate + 7);
    Listener alone;
    (void)transcribe_source(alone, *source_from_view(samples), {}, {}, {}, make_pause_cutter(Seconds(2), Seconds(1)))
        .value();

    std::latch met(2);  // neither goes on before both have a window
    std::atomic<int> windows = 0;
    Meeting owner(met, windows);
    Meeting helper(met, windows);
    const auto source = source_from_view(samples);
    std::vector<double> told;
    LongTranscription transcription(
        *source, {}, [&](const Segment& segment) { told.push_back(segment.start.count()); },
        make_pause_cutter(Seconds(2), Seconds(1)));
    std::jthread helping([&](const std::stop_token& over) {
        while (!over.stop_requested()) {
            if (transcription.wants_help()) transcription.help(helper, {});
        }
    });
    while (!transcription.step(owner, {}).value()) {
    }
    helping.request_stop();
    helping.join();
    const auto transcript = transcription.take();
    EXPECT_EQ(windows, std::ssize(alone.windows));
    EXPECT_THAT(helper.languages, ::testing::Each("de")) << "which is detected in the first window";
    EXPECT_EQ(owner.languages.front(), "");
    EXPECT_TRUE(std::ranges::is_sorted(told));
    EXPECT_EQ(std::ssize(told), windows);
    EXPECT_EQ(transcript.counters.at("windows"), windows);
    ASSERT_EQ(transcript.segments.size(), alone.windows.size());
    std::size_t at = 0;
    for (std::size_t i = 0; i < alone.windows.size(); at += alone.windows[i++]) {
        EXPECT_DOUBLE_EQ(transcript.segments[i].start.count(), seconds_of(at).count());
        EXPECT_EQ(transcript.segments[i].text, std::format("{:.3f}", samples[at]));
    }
}

/// Fails in every window but the first.
class Failing final : public Recognizer {
public:
    Result<Transcript> transcribe(AudioView, const TranscribeOptions&, const SegmentSink&, std::stop_token) override {
        return fail(ErrorCode::inference_failed, "it failed");
    }
};

TEST(LongAudio, AnErrorOfWhoHelpsEndsTheWhole) {
    Listener owner;
    Failing helper;
    const auto source = source_from_samples(numbered(5 * kSampleRate));
    LongTranscription transcription(*source, {.language = "de"}, {}, make_pause_cutter(Seconds(2), Seconds(1)));
    ASSERT_FALSE(transcription.step(owner, {}).value());
    ASSERT_TRUE(transcription.wants_help());
    transcription.help(helper, {});
    EXPECT_FALSE(transcription.wants_help());
    const auto ended = transcription.step(owner, {});
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().message, "it failed");
}

TEST(BestPause, IsTheMiddleOfTheQuietestStretch) {
    std::vector<float> audio(4 * kSampleRate, 0.5F);
    for (std::size_t i = 3 * kSampleRate; i < 3 * kSampleRate + kSampleRate / 2; ++i) audio[i] = 0.001F;
    const auto cut = seconds_of(best_pause(audio, 2 * kSampleRate));
    EXPECT_GT(cut, Seconds(3.05));
    EXPECT_LT(cut, Seconds(3.45));
}

TEST(BestPause, NeverLiesOutsideWhereItIsLookedFor) {
    const std::vector<float> even(3 * kSampleRate, 0.1F);
    for (const std::size_t from : {0u, 16'000u, 40'000u, 47'000u}) {
        const auto cut = best_pause(even, from);
        EXPECT_GT(cut, from);
        EXPECT_LE(cut, even.size());
    }
}

}  // namespace
}  // namespace hotmic
