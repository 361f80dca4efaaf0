/// Each test is a promise of include/hotmic/model_manager.hpp, broken on purpose where it can be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <thread>

#include "manager_fixture.hpp"

namespace hotmic {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using enum ModelState;

TEST_F(ModelManagerTest, GoesThroughLoadingAndWarmingUpToReady) {
    auto& manager = make("fake:");
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    EXPECT_THAT(states(), ElementsAre(loading, warming_up, ready));
    const auto health = manager.health();
    EXPECT_TRUE(health.ready);
    EXPECT_TRUE(health.warmup_complete);
    EXPECT_EQ(health.reason, "");
    EXPECT_GT(health.load_time, Seconds(0));
}

TEST_F(ModelManagerTest, WithoutWarmupGoesStraightToReadyAndSaysSo) {
    auto options = quick();
    options.warmup.level = 0;
    auto& manager = make("fake:", options);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    EXPECT_THAT(states(), ElementsAre(loading, ready));
    EXPECT_FALSE(manager.health().warmup_complete);
    EXPECT_EQ(record_->inferences, 0);
}

TEST_F(ModelManagerTest, ManyConcurrentInitializesCauseOneLoad) {
    auto& manager = make("fake:load_ms=50");
    constexpr int kCallers = 50;
    std::latch together(kCallers);
    std::atomic<int> good = 0;
    {
        std::vector<std::jthread> callers;
        for (int i = 0; i < kCallers; ++i) {
            callers.emplace_back([&] {
                together.arrive_and_wait();
                good += manager.initialize(deadline_in(kLong)) ? 1 : 0;
            });
        }
    }
    EXPECT_EQ(good, kCallers);
    EXPECT_EQ(record_->loads, 1);
}

TEST_F(ModelManagerTest, TwoHundredCallersHalfOfThemImpatientAndOneOfThemAnUnload) {
    auto& manager = make("fake:load_ms=30");
    constexpr int kCallers = 200;
    std::latch together(kCallers + 1);
    std::atomic<int> answered = 0;
    {
        std::vector<std::jthread> callers;
        for (int i = 0; i < kCallers; ++i) {
            callers.emplace_back([&, impatient = i % 2 == 0] {
                together.arrive_and_wait();
                const auto result = manager.initialize(impatient ? deadline_in(1ms) : deadline_in(kLong));
                ++answered;
                if (result) return;
                const auto code = result.error().code;
                EXPECT_TRUE(code == ErrorCode::load_cancelled || (impatient && code == ErrorCode::wait_timeout))
                    << result.error().describe();
            });
        }
        callers.emplace_back([&] {
            together.arrive_and_wait();
            EXPECT_TRUE(manager.unload(deadline_in(kLong)));
        });
    }
    EXPECT_EQ(answered, kCallers);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    EXPECT_LE(record_->loads, 3) << "one before the unload, one after it, one now";
    EXPECT_EQ(record_->models, 1);
}

TEST_F(ModelManagerTest, ACallersTimeoutEndsItsWaitingAndNotTheLoad) {
    auto& manager = make("fake:load_ms=100");
    const auto early = manager.initialize(deadline_in(1ms));
    ASSERT_FALSE(early);
    EXPECT_EQ(early.error().code, ErrorCode::wait_timeout);
    EXPECT_TRUE(manager.wait_for_ready(deadline_in(kLong)));
    EXPECT_EQ(record_->loads, 1);
}

TEST_F(ModelManagerTest, WaitingForReadyAsksForNothing) {
    auto& manager = make("fake:");
    const auto waited = manager.wait_for_ready(deadline_in(kLong));
    ASSERT_FALSE(waited);
    EXPECT_EQ(waited.error().code, ErrorCode::model_not_loaded);
    EXPECT_EQ(record_->loads, 0);
}

TEST_F(ModelManagerTest, ALeaseCanBeHadTheMomentReadyIsPublished) {
    auto& manager = make("fake:");
    std::jthread loader([&] { manager.start(); });
    await(ready);
    EXPECT_TRUE(manager.acquire());
}

TEST_F(ModelManagerTest, AFullQueueRefusesWithItsNumbers) {
    auto options = quick();
    options.max_waiting = 2;
    auto& manager = make("fake:hang=infer&after=1", options);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    const auto lease = manager.acquire();
    ASSERT_TRUE(lease);
    std::stop_source stop;
    std::atomic<int> cancelled = 0;
    const auto submit = [&] {
        auto one = request();
        one.stop = stop.get_token();
        lease->submit(std::move(one), [&](Result<Transcript> result, const RequestTimings&) {
            cancelled += !result && result.error().code == ErrorCode::cancelled ? 1 : 0;
        });
    };
    submit();
    while (manager.health().queue.busy == 0) std::this_thread::yield();
    submit();
    submit();
    const auto refused = lease->transcribe(request());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::queue_full);
    EXPECT_THAT(refused.error().message, HasSubstr("2 requests wait for 1 slot"));
    stop.request_stop();
    while (manager.health().queue.busy > 0 || manager.health().queue.waiting > 0) std::this_thread::yield();
    EXPECT_TRUE(manager.acquire());
}

TEST_F(ModelManagerTest, ARequestThatWaitsTooLongForASlotIsToldSo) {
    auto options = quick();
    options.queue_timeout = 30ms;
    options.drain_timeout = 0ms;
    auto& manager = make("fake:hang=infer&after=1", options);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    const auto lease = manager.acquire();
    ASSERT_TRUE(lease);
    lease->submit(request(), [](Result<Transcript>, const RequestTimings&) {});
    while (manager.health().queue.busy == 0) std::this_thread::yield();
    const auto waited = lease->transcribe(request());
    ASSERT_FALSE(waited);
    EXPECT_EQ(waited.error().code, ErrorCode::queue_timeout);
}

TEST_F(ModelManagerTest, AnInferencePastItsLimitIsEnded) {
    auto options = quick();
    options.request_timeout = 30ms;
    options.warmup.level = 0;
    auto& manager = make("fake:hang=infer", options);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    const auto result = manager.acquire()->transcribe(request());
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::request_timeout);
}

TEST_F(ModelManagerTest, EveryTransitionSaysWhyAndHowLongThePhaseBeforeLasted) {
    auto& manager = make("fake:load_ms=10");
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    const auto steps = journal_.since(0);
    ASSERT_EQ(steps.size(), 3u);
    for (const auto& step : steps) {
        EXPECT_EQ(step.model, "m");
        EXPECT_EQ(step.instance, steps[0].instance);
        EXPECT_FALSE(step.cause.empty());
        EXPECT_GE(step.phase.count(), 0);
    }
    EXPECT_GE(steps[1].phase, 9ms) << "LOADING took the time the load took";
}

}  // namespace
}  // namespace hotmic
