/// How a ModelManager gives a model back: drains, cancels what is under way, and ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "audio/clip.hpp"
#include "manager_fixture.hpp"

namespace hotmic {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

using enum ModelState;

TEST_F(ModelManagerTest, NotLoadedYetAndNoLongerLoadedAreDifferentErrors) {
    auto& manager = make("fake:");
    EXPECT_EQ(manager.acquire().error().code, ErrorCode::model_not_loaded);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    ASSERT_TRUE(manager.unload(deadline_in(kLong)));
    EXPECT_EQ(manager.acquire().error().code, ErrorCode::model_unloaded);
}

TEST_F(ModelManagerTest, LoadsAgainAfterAnUnloadAndWorksTheSame) {
    auto& manager = make("fake:");
    for (int round = 0; round < 3; ++round) {
        ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
        auto lease = manager.acquire();
        ASSERT_TRUE(lease);
        EXPECT_EQ(lease->transcribe(request())->text, audio::builtin_clip().text);
        *lease = Lease();  // before the unload, which would wait for it
        ASSERT_TRUE(manager.unload(deadline_in(kLong)));
        EXPECT_EQ(manager.health().state, uninitialized);
        EXPECT_EQ(record_->models, 0);
        EXPECT_EQ(record_->recognizers, 0);
    }
    EXPECT_EQ(record_->loads, 3);
}

TEST_F(ModelManagerTest, AnUnloadDuringALoadCancelsIt) {
    auto& manager = make("fake:hang=load");
    std::jthread waiter([&] {
        const auto result = manager.initialize(deadline_in(kLong));
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, ErrorCode::load_cancelled);
    });
    await(loading);
    EXPECT_TRUE(manager.unload(deadline_in(kLong)));
    EXPECT_THAT(states(), ElementsAre(loading, unloading, uninitialized));
}

TEST_F(ModelManagerTest, AnUnloadDuringWarmupCancelsIt) {
    auto& manager = make("fake:hang=infer");
    manager.start();
    await(warming_up);
    EXPECT_TRUE(manager.unload(deadline_in(kLong)));
    EXPECT_THAT(states(), ElementsAre(loading, warming_up, unloading, uninitialized));
    EXPECT_EQ(record_->models, 0);
}

TEST_F(ModelManagerTest, AnUnloadLetsRequestsInFlightFinish) {
    auto& manager = make("fake:infer_ms=100&after=1");
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    std::promise<Result<Transcript>> answered;
    {
        const auto lease = manager.acquire();
        ASSERT_TRUE(lease);
        lease->submit(request(),
                      [&](Result<Transcript> result, const RequestTimings&) { answered.set_value(std::move(result)); });
    }
    const auto report = manager.unload(deadline_in(kLong));
    ASSERT_TRUE(report);
    EXPECT_EQ(report->cancelled_requests, 0);
    EXPECT_TRUE(answered.get_future().get());
}

TEST_F(ModelManagerTest, AnUnloadOutOfPatienceCancelsWhatRunsAndWaits) {
    auto options = quick();
    options.drain_timeout = 20ms;
    auto& manager = make("fake:hang=infer&after=1", options);  // the warmup's inference passes
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    const auto lease = manager.acquire();
    ASSERT_TRUE(lease);
    std::vector<std::promise<Result<Transcript>>> answers(3);
    for (auto& answer : answers) {
        lease->submit(request(), [&answer](Result<Transcript> result, const RequestTimings&) {
            answer.set_value(std::move(result));
        });
    }
    const auto report = manager.unload(deadline_in(kLong));
    ASSERT_TRUE(report);
    EXPECT_EQ(report->cancelled_requests, 3);
    for (auto& answer : answers) {
        const auto result = answer.get_future().get();
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, ErrorCode::model_unloaded);
    }
    const auto late = lease->transcribe(request());
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, ErrorCode::model_unloaded);
}

TEST_F(ModelManagerTest, TwoUnloadsAtOnceAreOne) {
    auto& manager = make("fake:");
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    {
        std::jthread other([&] { EXPECT_TRUE(manager.unload(deadline_in(kLong))); });
        EXPECT_TRUE(manager.unload(deadline_in(kLong)));
    }
    EXPECT_THAT(states(), ElementsAre(loading, warming_up, ready, unloading, uninitialized));
}

TEST_F(ModelManagerTest, AnUnloadWithLessPatienceHurriesTheOneUnderWay) {
    auto options = quick();
    options.warmup.level = 0;
    options.drain_timeout = kLong;
    auto& manager = make("fake:hang=infer", options);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    std::promise<ErrorCode> ended;
    manager.acquire()->submit(request(), [&](Result<Transcript> result, const RequestTimings&) {
        ended.set_value(result ? ErrorCode::internal : result.error().code);
    });
    std::jthread patient([&] { EXPECT_TRUE(manager.unload(deadline_in(kLong))); });
    await(ModelState::unloading);
    const auto report = manager.unload(deadline_in(kLong), 0ms);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->cancelled_requests, 1);
    EXPECT_EQ(ended.get_future().get(), ErrorCode::model_unloaded);
}

TEST_F(ModelManagerTest, AnUnloadThatTakesLongerThanItsCallerWaitsGoesOn) {
    auto& manager = make("fake:");
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    auto lease = manager.acquire();
    ASSERT_TRUE(lease);
    const auto report = manager.unload(deadline_in(1ms));
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, ErrorCode::unload_timeout);
    EXPECT_EQ(manager.health().state, unloading);
    *lease = Lease();
    EXPECT_TRUE(manager.unload(deadline_in(kLong)));
    EXPECT_EQ(manager.health().state, uninitialized);
}

TEST_F(ModelManagerTest, AfterShutdownNothingIsLoadedAnyMore) {
    auto& manager = make("fake:");
    ASSERT_TRUE(manager.shutdown(deadline_in(kLong)));
    const auto result = manager.initialize(deadline_in(kLong));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::shutting_down);
    EXPECT_EQ(manager.acquire().error().code, ErrorCode::shutting_down);
}

TEST_F(ModelManagerTest, ALoadThatIgnoresItsStopTokenHoldsNobodyUp) {
    auto options = quick();
    options.load_timeout = 20ms;
    options.cancel_grace = 20ms;
    auto& manager = make("fake:load_ms=20000&steps=1&hang=slot", options);
    const auto result = manager.initialize(deadline_in(kLong));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::load_timeout);
}

}  // namespace
}  // namespace hotmic
