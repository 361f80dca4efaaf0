#include <gmock/gmock.h>

#include <algorithm>
#include <limits>
#include <ranges>
#include <thread>

#include "live/live_fixture.hpp"

namespace hotmic {
namespace {

using Kind = LiveEvent::Kind;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(Live, AnUtteranceIsToldFromItsBeginningToItsFinal) {
    ready("fake:text=hello there");
    const auto stream = open();
    told_.await(Kind::model_ready);
    push(*stream, silence(1));
    push(*stream, speech(2));
    push(*stream, silence(2));
    const auto final = told_.await(Kind::final);
    EXPECT_EQ(final.text, "hello there");
    EXPECT_EQ(final.stable, final.text);
    EXPECT_FALSE(final.words.empty());
    EXPECT_NEAR(final.start.count(), 1 - 0.3, 0.3) << "a little before the speech";
    EXPECT_NEAR(final.end.count(), 3, 0.8);
    stream->finish();
    told_.await(Kind::ended);
    EXPECT_THAT(told_.kinds(),
                ElementsAre(Kind::model_ready, Kind::speech_started, Kind::speech_stopped, Kind::final, Kind::ended));
}

TEST_F(Live, WhatIsSaidShowsWhileItIsSpoken) {
    ready("fake:text=one two three");
    const auto stream = open();
    // Two decodes of the same text agree on it. Each wants new audio.
    for (int round = 1; round <= 2; ++round) {
        push(*stream, speech(2));
        const auto partial = told_.await(Kind::partial, round);
        EXPECT_EQ(partial.text, "one two three");
        EXPECT_EQ(partial.stable, round == 1 ? "" : "one two three");
        EXPECT_EQ(partial.utterance, 1u);
    }
}

TEST_F(Live, AnEngineThatCanGoOnWhereItWasShowsMoreSoonerAndTheFinalIsWhole) {
    ready("fake:slots=2&text=hello&grown=hello there");
    const auto stream = open();
    const auto shows_more = [&] {
        return std::ranges::contains(told_.of(Kind::partial), "hello there", &LiveEvent::text);
    };
    told_.await(Kind::model_ready);
    for (std::ptrdiff_t partials = 1; !shows_more(); ++partials) {
        push(*stream, speech(1));
        told_.await(Kind::partial, partials);
    }
    for (const auto& partial : told_.of(Kind::partial)) EXPECT_THAT(partial.stable, AnyOf("", "hello"));
    stream->finish();
    EXPECT_EQ(told_.await(Kind::final).text, "hello");
}

TEST_F(Live, SilenceAndNoiseAreNotDecoded) {
    ready("fake:text=made up");
    const auto stream = open();
    told_.await(Kind::model_ready);
    push(*stream, silence(5));
    const std::vector<float> broken(kSampleRate, std::numeric_limits<float>::quiet_NaN());
    push(*stream, broken);
    stream->finish();
    told_.await(Kind::ended);
    EXPECT_THAT(told_.kinds(), ElementsAre(Kind::model_ready, Kind::ended));
}

TEST_F(Live, WithoutEndpointingTheClientSaysWhereAnUtteranceEnds) {
    ready("fake:text=hello");
    const auto stream = open({.endpointing = {}, .partials = false});
    EXPECT_EQ(stream->commit(), Seconds(0)) << "there is nothing yet";
    push(*stream, silence(0.5));
    EXPECT_DOUBLE_EQ(stream->commit().count(), 0.5);
    const auto final = told_.await(Kind::final);
    EXPECT_EQ(final.start, Seconds(0));
    EXPECT_EQ(final.end, Seconds(0.5));
    push(*stream, silence(1));
    stream->clear();
    EXPECT_EQ(stream->commit(), Seconds(0)) << "it was forgotten";
    push(*stream, silence(1));
    stream->finish();
    told_.await(Kind::ended);
    ASSERT_EQ(told_.of(Kind::final).size(), 2u);
    EXPECT_EQ(told_.of(Kind::final)[1].start, Seconds(1.5)) << "the clock goes on";
}

TEST_F(Live, SomebodyWhoNeverPausesIsCut) {
    ready("fake:text=word");
    const auto stream = open({.endpointing = {}, .partials = false, .max_utterance = Seconds(3)});
    push(*stream, speech(10));
    stream->finish();
    told_.await(Kind::ended);
    const auto finals = told_.of(Kind::final);
    ASSERT_GE(finals.size(), 4u);
    EXPECT_EQ(finals.front().start, Seconds(0));
    EXPECT_NEAR(finals.back().end.count(), 10, 1e-6);
    for (std::size_t i = 1; i < finals.size(); ++i) EXPECT_EQ(finals[i].start, finals[i - 1].end) << "nothing is lost";
    for (const auto& final : finals) EXPECT_LE(final.end - final.start, Seconds(3));
}

TEST_F(Live, ABacklogBeyondItsLimitIsDroppedAndThatIsSaid) {
    ready("fake:hang=infer&slots=1");
    const auto stream = open({.endpointing = {}, .partials = false, .max_backlog = Seconds(5)});
    for (int i = 0; i < 4; ++i) {
        push(*stream, silence(2));
        stream->commit();
        while (record_->running == 0) std::this_thread::yield();  // the first hangs from now on
    }
    EXPECT_EQ(told_.await(Kind::dropped).utterance, 2u) << "the oldest that is not under way";
    EXPECT_NEAR(stream->status().dropped.count(), 4, 1e-6);
    EXPECT_LE(stream->status().backlog, Seconds(5));
    EXPECT_NEAR(hub_.status().dropped.count(), 4, 1e-6);
}

TEST_F(Live, ADecodeThatFailsIsToldAndTheStreamGoesOn) {
    ready("fake:text=hello&fail=infer&after=2");
    const auto stream = open({.endpointing = {}, .partials = false});
    for (int i = 0; i < 3; ++i) {
        push(*stream, silence(1));
        stream->commit();
    }
    const auto failed = told_.await(Kind::failed);
    ASSERT_TRUE(failed.error);
    EXPECT_EQ(failed.error->code, ErrorCode::inference_failed);
    EXPECT_EQ(failed.utterance, 3u);
    EXPECT_EQ(told_.of(Kind::final).size(), 2u);
}

TEST_F(Live, AModelThatIsUnloadedUnderAStreamIsLookedForElsewhere) {
    auto options = unwarmed();
    options.drain_timeout = std::chrono::milliseconds(10);
    ready("fake:text=hello", options);
    const auto stream = open({.endpointing = {}, .partials = false});
    told_.await(Kind::model_ready);
    ASSERT_TRUE(manager_->unload(deadline_in(kLong)));
    ASSERT_TRUE(manager_->initialize(deadline_in(kLong)));
    push(*stream, silence(1));
    stream->commit();
    told_.await(Kind::model_changed);
    EXPECT_EQ(told_.await(Kind::final).text, "hello");
}

TEST_F(Live, WhatIsSaidBeforeTheModelIsReadyIsHeardOnceItIs) {
    auto options = unwarmed();
    options.load_on_demand = true;
    make("fake:text=hello&load_ms=50", options);
    const auto stream = open({.endpointing = {}, .partials = false});
    push(*stream, silence(1));
    stream->commit();
    EXPECT_EQ(told_.await(Kind::final).text, "hello");
}

TEST_F(Live, AStreamWhoseModelIsGoneForGoodIsToldSo) {
    auto options = unwarmed();
    options.drain_timeout = std::chrono::milliseconds(10);
    ready("fake:text=hello", options);
    const auto stream = open({.endpointing = {}, .partials = false});
    told_.await(Kind::model_ready);
    ASSERT_TRUE(manager_->shutdown(deadline_in(kLong)));
    push(*stream, silence(1));
    stream->commit();
    const auto lost = told_.await(Kind::lost);
    ASSERT_TRUE(lost.error);
}

TEST_F(Live, ADestroyedStreamTellsNothingMore) {
    ready("fake:text=hello&infer_ms=50");
    auto stream = open({.endpointing = {}, .partials = false});
    push(*stream, silence(1));
    stream->commit();
    stream.reset();
    const auto other = open({.endpointing = {}, .partials = false});
    push(*other, silence(1));
    other->finish();
    told_.await(Kind::ended);
    EXPECT_EQ(told_.of(Kind::final).size(), 1u);
}

/// Takes everything for a voice.
class TakesAll final : public VadModel {
    class Detector final : public VoiceDetector {
        bool hears_voice(AudioView) override { return true; }
    };
    [[nodiscard]] Result<std::unique_ptr<VoiceDetector>> make_detector(double) const override {
        return std::make_unique<Detector>();
    }
};

/// Too little for the fake to hear a word in it, and not silent.
std::vector<float> hiss(double seconds) {
    auto made = silence(seconds);
    for (std::size_t i = 0; i < made.size(); ++i) made[i] = i % 2 == 0 ? 5e-4F : -5e-4F;
    return made;
}

TEST_F(Live, WhereTheDetectorTakesNoiseForAVoiceTheEngineSaysWhereAnUtteranceEnds) {
    ready("fake:count=1");
    const auto stream = open({.endpointing = Endpointing{.vad_model = std::make_shared<TakesAll>()}});
    push(*stream, std::vector<float>(2 * kSampleRate, 0.5F));
    push(*stream, hiss(2));
    const auto first = told_.await(Kind::final);
    EXPECT_THAT(first.text, HasSubstr("w1"));
    EXPECT_GT(first.end, Seconds(2 + 1.2 - 0.25)) << "1.2 s after its last word, or at the step after that";
    // A beginning without any word is forgotten but for its last half second.
    push(*stream, hiss(3));
    const auto end = deadline_in(kLong);
    while (stream->status().held > Seconds(2)) {
        ASSERT_LT(Clock::now(), end) << stream->status().held.count() << " s are held";
        std::this_thread::yield();
    }
    push(*stream, std::vector<float>(kSampleRate, 0.5F));
    push(*stream, hiss(2));
    const auto second = told_.await(Kind::final, 2);
    EXPECT_THAT(second.text, HasSubstr("w1"));
    EXPECT_GT(second.start.count(), first.end.count() + 1);
}

TEST_F(Live, AnHourOfSilenceIsNothingAndKeepsNothing) {
    ready("fake:text=hello");
    const auto stream = open();
    const auto minute = silence(60);
    for (int minutes = 0; minutes < 60; ++minutes) {
        push(*stream, minute);
        EXPECT_LT(stream->status().held, Seconds(3));
    }
    EXPECT_DOUBLE_EQ(stream->status().received.count(), 3600);
    stream->finish();
    told_.await(Kind::ended);
    EXPECT_THAT(told_.of(Kind::speech_started), ::testing::IsEmpty());
    EXPECT_EQ(record_->inferences, 0);
}

}  // namespace
}  // namespace hotmic
