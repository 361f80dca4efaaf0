#include <gmock/gmock.h>

#include <thread>

#include "live/live_fixture.hpp"

namespace hotmic {
namespace {

using Kind = LiveEvent::Kind;

/// A word each half second: "w1", "w2 w3", …
std::string words_to(int last) {
    std::string text;
    for (int word = 1; word <= last; ++word) text += (word > 1 ? " w" : "w") + std::to_string(word);
    return text;
}

std::vector<float> tone(double seconds) {
    return std::vector<float>(static_cast<std::size_t>(seconds * kSampleRate), 0.1F);
}

class LiveExactStreams : public Live {
protected:
    /// A second at a time, each heard before the next comes.
    void say(LiveStream& stream, int seconds) {
        for (int second = 1; second <= seconds; ++second) {
            stream.push(tone(1));
            const auto wanted = words_to(2 * second);
            for (std::ptrdiff_t partial = 1; told_.await(Kind::partial, partial).text != wanted; ++partial)
                ASSERT_FALSE(HasFailure());
        }
    }
};

TEST_F(LiveExactStreams, WhatAStepSettlesIsStableAtOnceAndTheLastStepIsTheFinal) {
    ready("fake:count=1");
    const auto stream = open({.endpointing = {}});
    say(*stream, 3);
    std::string before;
    for (const auto& partial : told_.of(Kind::partial)) {
        EXPECT_EQ(partial.stable, partial.text);
        EXPECT_TRUE(partial.stable.starts_with(before)) << before << " | " << partial.stable;
        EXPECT_NE(partial.stable, before) << "what is no news is not told";
        before = partial.stable;
    }
    stream->commit();
    EXPECT_EQ(told_.await(Kind::final).text, words_to(6));
    say(*stream, 1);
    stream->finish();
    EXPECT_EQ(told_.await(Kind::final, 2).text, words_to(2));
    told_.await(Kind::ended);
}

TEST_F(LiveExactStreams, WhatTheEngineHeardBeforeItsEndWasFoundBelongsToTheUtterance) {
    ready("fake:count=1");
    const auto stream = open();
    told_.await(Kind::model_ready);
    for (int said = 1; said <= 2; ++said) {
        push(*stream, speech(3));
        for (int i = 0; i < 10; ++i) {
            const int before = record_->inferences;
            stream->push(silence(0.1));  // each may be fed before the end is found
            for (int spin = 0; spin < 1000 && record_->inferences == before; ++spin) std::this_thread::yield();
        }
        const auto final = told_.await(Kind::final, said);
        EXPECT_GE(final.words.size(), 3u);
        EXPECT_TRUE(words_to(static_cast<int>(final.words.size())).starts_with(final.text)) << final.text;
    }
    EXPECT_LE(told_.of(Kind::final)[0].end.count(), told_.of(Kind::speech_started)[1].start.count() + 1e-9);
}

TEST_F(LiveExactStreams, AStreamThatTheEngineLostIsFedAnewAndNothingToldIsTakenBack) {
    ready("fake:count=1&forget=3");
    const auto stream = open({.endpointing = {}});
    say(*stream, 6);
    stream->commit();
    EXPECT_EQ(told_.await(Kind::final).text, words_to(12));
    EXPECT_TRUE(told_.of(Kind::failed).empty());
}

TEST_F(LiveExactStreams, AModelThatIsUnloadedUnderAStreamTakesNothingAlong) {
    ready("fake:count=1");
    const auto stream = open({.endpointing = {}});
    say(*stream, 2);
    ASSERT_TRUE(manager_->unload(deadline_in(kLong), std::chrono::milliseconds(0)));
    ASSERT_TRUE(manager_->initialize(deadline_in(kLong)));
    stream->push(tone(1));
    told_.await(Kind::model_changed);
    stream->commit();
    EXPECT_EQ(told_.await(Kind::final).text, words_to(6));
    EXPECT_TRUE(told_.of(Kind::failed).empty());
}

TEST_F(LiveExactStreams, AStreamThatTheEngineFailsIsToldSoAndTheNextIsHeard) {
    ready("fake:count=1&fail=infer&after=3");
    const auto stream = open({.endpointing = {}});
    say(*stream, 1);
    while (record_->inferences < 4) {
        const int before = record_->inferences;
        stream->push(tone(0.5));
        while (record_->inferences == before) std::this_thread::yield();
    }
    stream->commit();
    EXPECT_EQ(told_.await(Kind::failed).error->code, ErrorCode::inference_failed);
}

TEST_F(LiveExactStreams, SomebodyWhoNeverPausesIsCutAndEachWordIsToldOnce) {
    ready("fake:count=1");
    const auto stream = open({.endpointing = {}, .max_utterance = Seconds(2)});
    for (int i = 0; i < 20; ++i) stream->push(tone(0.25));
    stream->finish();
    told_.await(Kind::ended);
    double seconds = 0;
    for (const auto& final : told_.of(Kind::final)) {
        EXPECT_LE(final.end - final.start, Seconds(2.3));
        seconds += (final.end - final.start).count();
    }
    EXPECT_NEAR(seconds, 5, 1e-6);
    EXPECT_GE(told_.of(Kind::final).size(), 2u);
}

}  // namespace
}  // namespace hotmic
