#include <gmock/gmock.h>

#include <thread>

#include "live/live_fixture.hpp"

namespace hotmic {
namespace {

using Kind = LiveEvent::Kind;

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
    ASSERT_TRUE(stuck.initialize(deadline_in(kLong)));
    Listener waits;
    std::vector<std::unique_ptr<LiveStream>> late;
    for (int i = 0; i < 2; ++i) {  // the second waits for the first
        late.push_back(
            *hub_.open([&](std::string lost,
                           auto then) { stuck.when_ready(deadline_in(kLong), std::move(then), std::move(lost)); },
                       {.endpointing = {}, .partials = false}, waits.sink()));
        push(*late.back(), silence(1));
        late.back()->commit();
    }
    const auto end = deadline_in(kLong);
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
    EXPECT_TRUE(stuck.shutdown(deadline_in(kLong)));
}

}  // namespace
}  // namespace hotmic
