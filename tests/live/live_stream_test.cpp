#include "hotmic/live_stream.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <ranges>
#include <thread>

#include "audio/clip.hpp"
#include "lifecycle/manager_fixture.hpp"

namespace hotmic {
namespace {

using Kind = LiveEvent::Kind;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// What a stream tells, for a test that waits for it.
class Listener {
public:
    LiveSink sink() {
        return [this](const LiveEvent& event) {
            const std::scoped_lock lock(mutex_);
            events_.push_back(event);
            told_.notify_all();
        };
    }
    /// The `count`th event of this kind.
    LiveEvent await(Kind kind, std::ptrdiff_t count = 1) {
        std::unique_lock lock(mutex_);
        const auto there = [&] { return std::ranges::count(events_, kind, &LiveEvent::kind) >= count; };
        if (!told_.wait_for(lock, kLong, there)) {
            ADD_FAILURE() << "never told";
            return {};
        }
        for (const auto& event : events_) {
            if (event.kind == kind && --count == 0) return event;
        }
        return {};
    }
    std::vector<LiveEvent> of(Kind kind) {
        const std::scoped_lock lock(mutex_);
        std::vector<LiveEvent> found;
        std::ranges::copy_if(events_, std::back_inserter(found), [&](const auto& event) { return event.kind == kind; });
        return found;
    }
    std::vector<Kind> kinds() {
        const std::scoped_lock lock(mutex_);
        std::vector<Kind> found;
        for (const auto& event : events_) found.push_back(event.kind);
        return found;
    }

private:
    std::mutex mutex_;
    std::condition_variable told_;
    std::vector<LiveEvent> events_;
};

std::vector<float> speech(double seconds) {
    return audio::clip_of_length(seconds).value();
}
std::vector<float> silence(double seconds) {
    return std::vector<float>(static_cast<std::size_t>(seconds * kSampleRate));
}

class Live : public ManagerFixture {
protected:
    std::unique_ptr<LiveStream> open(LiveOptions options = {}) {
        auto stream = hub_.open(
            [this](std::string lost, auto then) { manager_->when_ready(in(kLong), std::move(then), std::move(lost)); },
            std::move(options), told_.sink());
        EXPECT_TRUE(stream);
        return *std::move(stream);  // its model may still be on its way
    }
    /// What the fake says is not what the clip says, and what it does at its first inference is for the stream.
    static LifecycleOptions unwarmed() {
        auto options = quick();
        options.warmup.level = 0;
        return options;
    }
    void ready(const std::string& path, LifecycleOptions options = unwarmed()) {
        ASSERT_TRUE(make(path, options).initialize(in(kLong)));
    }
    /// As clients send it: 20 ms at a time.
    static void push(LiveStream& stream, AudioView samples) {
        for (constexpr std::size_t kPiece = 320; !samples.empty();) {
            const auto piece = samples.first(std::min(kPiece, samples.size()));
            stream.push(piece);
            samples = samples.subspan(piece.size());
        }
    }

    Listener told_;
    LiveHub hub_{8};
};

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
    EXPECT_NEAR(final.start, 1 - 0.3, 0.3) << "a little before the speech";
    EXPECT_NEAR(final.end, 3, 0.8);
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

TEST_F(Live, NoUtteranceHasTwoSlotsWhereThatLeavesAnotherNone) {
    ready("fake:slots=2&text=hello&grown=hello there");
    const auto one = open();
    const auto other = open();
    told_.await(Kind::model_ready, 2);
    for (std::ptrdiff_t partials = 2; partials <= 6; partials += 2) {
        for (const auto* stream : {&one, &other}) push(**stream, speech(1));
        told_.await(Kind::partial, partials);
    }
    for (const auto& partial : told_.of(Kind::partial)) EXPECT_EQ(partial.text, "hello");
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
    EXPECT_EQ(stream->commit(), 0) << "there is nothing yet";
    push(*stream, silence(0.5));
    EXPECT_DOUBLE_EQ(stream->commit(), 0.5);
    const auto final = told_.await(Kind::final);
    EXPECT_EQ(final.start, 0);
    EXPECT_EQ(final.end, 0.5);
    push(*stream, silence(1));
    stream->clear();
    EXPECT_EQ(stream->commit(), 0) << "it was forgotten";
    push(*stream, silence(1));
    stream->finish();
    told_.await(Kind::ended);
    ASSERT_EQ(told_.of(Kind::final).size(), 2u);
    EXPECT_EQ(told_.of(Kind::final)[1].start, 1.5) << "the clock goes on";
}

TEST_F(Live, SomebodyWhoNeverPausesIsCut) {
    ready("fake:text=word");
    const auto stream = open({.endpointing = {}, .partials = false, .max_utterance_seconds = 3});
    push(*stream, speech(10));
    stream->finish();
    told_.await(Kind::ended);
    const auto finals = told_.of(Kind::final);
    ASSERT_GE(finals.size(), 4u);
    EXPECT_EQ(finals.front().start, 0);
    EXPECT_NEAR(finals.back().end, 10, 1e-6);
    for (std::size_t i = 1; i < finals.size(); ++i) EXPECT_EQ(finals[i].start, finals[i - 1].end) << "nothing is lost";
    for (const auto& final : finals) EXPECT_LE(final.end - final.start, 3);
}

TEST_F(Live, ABacklogBeyondItsLimitIsDroppedAndThatIsSaid) {
    ready("fake:hang=infer&slots=1");
    const auto stream = open({.endpointing = {}, .partials = false, .max_backlog_seconds = 5});
    for (int i = 0; i < 4; ++i) {
        push(*stream, silence(2));
        stream->commit();
        while (record_->running == 0) std::this_thread::yield();  // the first hangs from now on
    }
    EXPECT_EQ(told_.await(Kind::dropped).utterance, 2u) << "the oldest that is not under way";
    EXPECT_NEAR(stream->status().dropped_seconds, 4, 1e-6);
    EXPECT_LE(stream->status().backlog_seconds, 5);
    EXPECT_NEAR(hub_.status().dropped_seconds, 4, 1e-6);
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
    ASSERT_TRUE(manager_->unload(in(kLong)));
    ASSERT_TRUE(manager_->initialize(in(kLong)));
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
    ASSERT_TRUE(manager_->shutdown(in(kLong)));
    push(*stream, silence(1));
    stream->commit();
    const auto lost = told_.await(Kind::lost);
    ASSERT_TRUE(lost.error);
}

TEST_F(Live, MoreStreamsThanAllowedAreRefused) {
    ready("fake:text=hello");
    std::vector<std::unique_ptr<LiveStream>> streams;
    for (int i = 0; i < 8; ++i) streams.push_back(open());
    const auto refused = hub_.open({}, {}, {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::queue_full);
    streams.pop_back();
    EXPECT_TRUE(open());
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

TEST_F(Live, ManyStreamsShareTwoSlots) {
    ready("fake:text=hello&infer_ms=2&slots=2");
    std::vector<std::unique_ptr<LiveStream>> streams;
    for (int i = 0; i < 8; ++i) streams.push_back(open({.endpointing = {}}));
    for (int round = 0; round < 10; ++round) {
        for (const auto& stream : streams) {
            push(*stream, silence(0.5));
            stream->commit();
        }
    }
    for (const auto& stream : streams) stream->finish();
    told_.await(Kind::ended, 8);
    EXPECT_EQ(told_.of(Kind::final).size(), 80u);
    EXPECT_LE(record_->most_running, 2);
}

TEST_F(Live, AnHourOfSilenceIsNothingAndKeepsNothing) {
    ready("fake:text=hello");
    const auto stream = open();
    const auto minute = silence(60);
    for (int minutes = 0; minutes < 60; ++minutes) {
        push(*stream, minute);
        EXPECT_LT(stream->status().held_seconds, 3);
    }
    EXPECT_DOUBLE_EQ(stream->status().received_seconds, 3600);
    stream->finish();
    told_.await(Kind::ended);
    EXPECT_THAT(told_.of(Kind::speech_started), ::testing::IsEmpty());
    EXPECT_EQ(record_->inferences, 0);
}

/// The real engine on real speech.
class LivePocketSphinx : public Live {
protected:
    void SetUp() override { serve(1); }
    void serve(int slots) {
        const auto provider = builtin_providers().find("pocketsphinx");
        ASSERT_TRUE(provider);
        manager_.emplace("m", ModelSpec{.provider = "pocketsphinx", .path = {}, .slots = slots}, *provider, quick(),
                         broker_, journal_);
        ASSERT_TRUE(manager_->initialize(in(kLong)));
    }
};

TEST_F(LivePocketSphinx, HearsTheClipTwiceAsOneRecordingWouldBeHeard) {
    const auto clip = speech(audio::builtin_clip().seconds);
    const auto batch = manager_->acquire()->transcribe({.audio = source_from_samples(clip)});
    ASSERT_TRUE(batch);
    const auto stream = open();
    for (int i = 0; i < 2; ++i) {
        push(*stream, silence(1));
        push(*stream, clip);
    }
    push(*stream, silence(1));
    stream->finish();
    told_.await(Kind::ended);
    std::string text;
    double last_end = 0;
    for (const auto& final : told_.of(Kind::final)) {
        EXPECT_GE(final.start, last_end);
        last_end = final.end;
        for (const auto& word : final.words) {
            EXPECT_GE(word.start, final.start - 0.05);
            EXPECT_LE(word.end, final.end + 0.05);
        }
        text += (text.empty() ? "" : " ") + final.text;
    }
    EXPECT_THAT(text, HasSubstr("the weather is fine today"));
    EXPECT_THAT(text, HasSubstr("ready to begin the meeting"));
    EXPECT_GT(last_end, 1 + audio::builtin_clip().seconds + 1);
}

TEST_F(LivePocketSphinx, ItsPartialsGoOnWhereTheyWereAndItsFinalIsThatOfTheFile) {
    serve(2);
    const auto clip = speech(audio::builtin_clip().seconds);
    const auto batch = manager_->acquire()->transcribe({.audio = source_from_samples(clip)});
    const auto stream = open({.endpointing = {}});
    told_.await(Kind::model_ready);
    const auto half = clip.size() / 2;
    push(*stream, std::span(clip).first(half));
    EXPECT_THAT(told_.await(Kind::partial).text, ::testing::Not(::testing::IsEmpty()));
    push(*stream, std::span(clip).subspan(half));
    stream->finish();
    EXPECT_EQ(told_.await(Kind::final).text, batch->text);
}

}  // namespace
}  // namespace hotmic
