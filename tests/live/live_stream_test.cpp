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
    /// Waits until so many have been begun.
    void await_inferences(int count) const {
        const auto end = in(kLong);
        while (record_->inferences < count) {
            ASSERT_LT(Clock::now(), end) << "there are " << record_->inferences;
            std::this_thread::yield();
        }
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
    EXPECT_LE(told_.of(Kind::final)[0].end, told_.of(Kind::speech_started)[1].start + 1e-9);
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
    ASSERT_TRUE(manager_->unload(in(kLong), std::chrono::milliseconds(0)));
    ASSERT_TRUE(manager_->initialize(in(kLong)));
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
    const auto stream = open({.endpointing = {}, .max_utterance_seconds = 2});
    for (int i = 0; i < 20; ++i) stream->push(tone(0.25));
    stream->finish();
    told_.await(Kind::ended);
    double seconds = 0;
    for (const auto& final : told_.of(Kind::final)) {
        EXPECT_LE(final.end - final.start, 2.3);
        seconds += final.end - final.start;
    }
    EXPECT_NEAR(seconds, 5, 1e-6);
    EXPECT_GE(told_.of(Kind::final).size(), 2u);
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
    EXPECT_GT(first.end, 2 + 1.2 - 0.25) << "1.2 s after its last word, or at the step after that";
    // A beginning without any word is forgotten but for its last half second.
    push(*stream, hiss(3));
    const auto end = in(kLong);
    while (stream->status().held_seconds > 2) {
        ASSERT_LT(Clock::now(), end) << stream->status().held_seconds << " s are held";
        std::this_thread::yield();
    }
    push(*stream, std::vector<float>(kSampleRate, 0.5F));
    push(*stream, hiss(2));
    const auto second = told_.await(Kind::final, 2);
    EXPECT_THAT(second.text, HasSubstr("w1"));
    EXPECT_GT(second.start, first.end + 1);
}

/// What the fake hangs over until it is told to stop.
std::vector<float> endless() {
    return std::vector<float>(kSampleRate, testing::kPoison);
}

TEST_F(Live, AFinalThatFindsNoSlotTakesThatOfAPartial) {
    ready("fake:text=hello&poison=wait&slots=1");
    const auto speaks = open({.endpointing = {}});
    push(*speaks, endless());
    await_inferences(1);
    const auto has_spoken = open({.endpointing = {}, .partials = false});
    push(*has_spoken, silence(1));
    has_spoken->commit();
    EXPECT_EQ(told_.await(Kind::final).text, "hello");
    await_inferences(3);  // and the partial is tried again
}

TEST_F(Live, AnUtteranceThatIsOverIsHeardForItsFinalAtOnce) {
    ready("fake:text=hello&poison=wait&slots=1");
    const auto stream = open({.endpointing = {}});
    push(*stream, endless());
    await_inferences(1);
    stream->commit();
    await_inferences(2);
    EXPECT_EQ(record_->most_running, 1);
}

TEST_F(Live, AModelThatIsLateHoldsUpNoOther) {
    ready("fake:text=one two three");
    ModelManager stuck("stuck", {.provider = "fake", .path = "fake:hang=infer", .slots = 1},
                       testing::make_fake_provider(), unwarmed(), broker_, journal_);
    ASSERT_TRUE(stuck.initialize(in(kLong)));
    Listener waits;
    std::vector<std::unique_ptr<LiveStream>> late;
    for (int i = 0; i < 2; ++i) {  // the second waits for the first
        late.push_back(*hub_.open(
            [&](std::string lost, auto then) { stuck.when_ready(in(kLong), std::move(then), std::move(lost)); },
            {.endpointing = {}, .partials = false}, waits.sink()));
        push(*late.back(), silence(1));
        late.back()->commit();
    }
    const auto end = in(kLong);
    const auto level = [&] { return hub_.status().level; };
    while (level() == "normal" || level() == "fewer_partials") {
        ASSERT_LT(Clock::now(), end) << "the late ones are never noticed";
        std::this_thread::yield();
    }
    const auto stream = open();
    push(*stream, speech(2));
    EXPECT_EQ(told_.await(Kind::partial).text, "one two three");
    EXPECT_NE(level(), "normal");
    late.clear();
    EXPECT_TRUE(stuck.shutdown(in(kLong)));
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
