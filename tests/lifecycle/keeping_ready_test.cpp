/// Rest and waking, canaries, and being called when a model is ready.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <thread>

#include "manager_fixture.hpp"

namespace hotmic {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using enum ModelState;

class KeepingReadyTest : public ManagerFixture {
protected:
    /// What `when_ready` brings, waited for.
    Result<Lease> leased(Deadline deadline = deadline_in(kLong)) {
        std::promise<Result<Lease>> told;
        manager_->when_ready(deadline, [&](Result<Lease> lease) { told.set_value(std::move(lease)); });
        return told.get_future().get();
    }
};

TEST_F(KeepingReadyTest, WhoWaitsIsCalledWithALeaseOnceItIsReady) {
    make("fake:load_ms=30").start();
    const auto lease = leased();
    ASSERT_TRUE(lease);
    EXPECT_TRUE(lease->transcribe(request()));
}

TEST_F(KeepingReadyTest, WhoWaitsIsToldWhyThereWillBeNoLease) {
    make("fake:fail=load").start();
    EXPECT_EQ(leased().error().code, ErrorCode::model_failed);
    make("fake:");
    EXPECT_EQ(leased().error().code, ErrorCode::model_not_loaded) << "nobody has asked for it";
}

TEST_F(KeepingReadyTest, WhoWaitsTooLongIsTold) {
    make("fake:hang=load").start();
    EXPECT_EQ(leased(deadline_in(20ms)).error().code, ErrorCode::wait_timeout);
}

TEST_F(KeepingReadyTest, WhoWaitsDuringAnUnloadOrTheEndIsToldAndNotForgotten) {
    auto& manager = make("fake:hang=load");
    manager.start();
    std::promise<Result<Lease>> told;
    manager.when_ready(deadline_in(kLong), [&](Result<Lease> lease) { told.set_value(std::move(lease)); });
    ASSERT_TRUE(manager.unload(deadline_in(kLong)));
    EXPECT_FALSE(told.get_future().get());

    manager.start();
    std::promise<Result<Lease>> told_at_end;
    manager.when_ready(deadline_in(kLong), [&](Result<Lease> lease) { told_at_end.set_value(std::move(lease)); });
    manager_.reset();
    EXPECT_EQ(told_at_end.get_future().get().error().code, ErrorCode::shutting_down);
}

TEST_F(KeepingReadyTest, AModelOnDemandIsLoadedByTheFirstRequestsAndOnlyOnce) {
    auto options = quick();
    options.load_on_demand = true;
    auto& manager = make("fake:load_ms=30", options);
    EXPECT_TRUE(manager.health().resting);
    EXPECT_EQ(manager.acquire().error().code, ErrorCode::model_not_loaded) << "acquire asks for nothing";
    constexpr int kCallers = 20;
    std::latch answered(kCallers);
    std::atomic<int> leases = 0;
    for (int i = 0; i < kCallers; ++i) {
        manager.when_ready(deadline_in(kLong), [&](const Result<Lease>& lease) {
            leases += lease ? 1 : 0;
            answered.count_down();
        });
    }
    answered.wait();
    EXPECT_EQ(leases, kCallers);
    EXPECT_EQ(record_->loads, 1);
}

TEST_F(KeepingReadyTest, AnUnusedModelIsUnloadedAndTheNextRequestBringsItBack) {
    auto options = quick();
    options.idle_unload = 30ms;
    auto& manager = make("fake:", options);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    const auto left = await(unloading);
    EXPECT_THAT(left.cause, HasSubstr("idle"));
    const auto gone = await(uninitialized, left.sequence);
    EXPECT_EQ(record_->models, 0);
    const auto health = manager.health();  // looking wakes nothing
    EXPECT_TRUE(health.resting);
    EXPECT_THAT(health.reason, HasSubstr("next request loads it"));
    EXPECT_EQ(record_->loads, 1);

    const auto lease = leased();
    ASSERT_TRUE(lease);
    EXPECT_TRUE(lease->transcribe(request()));
    EXPECT_EQ(record_->loads, 2);
    (void)gone;
}

TEST_F(KeepingReadyTest, ALeaseKeepsAnUnusedModelLoadedAndHealthDoesNot) {
    auto options = quick();
    options.idle_unload = 40ms;
    auto& manager = make("fake:", options);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    {
        const auto lease = manager.acquire();
        ASSERT_TRUE(lease);
        std::this_thread::sleep_for(150ms);
        EXPECT_EQ(manager.health().state, ready) << "somebody holds a lease";
    }
    std::jthread prober([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) (void)manager.health();
    });
    (void)await(unloading);
}

TEST_F(KeepingReadyTest, AModelUnloadedByAnOperatorIsNotWokenByRequests) {
    auto options = quick();
    options.idle_unload = 60s;
    auto& manager = make("fake:", options);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    ASSERT_TRUE(manager.unload(deadline_in(kLong)));
    EXPECT_EQ(leased().error().code, ErrorCode::model_unloaded);
}

TEST_F(KeepingReadyTest, CanariesFlyWhileTheModelIsIdleAndAreNoUseOfIt) {
    auto options = quick();
    options.supervise.canary_interval = 10ms;
    auto& manager = make("fake:", options);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    while (record_->inferences < 4) std::this_thread::sleep_for(1ms);
    EXPECT_EQ(manager.health().state, ready);
    EXPECT_EQ(manager.health().requests, 0u) << "no user has asked anything";
    EXPECT_TRUE(manager.health().canary_latency);
}

TEST_F(KeepingReadyTest, CanariesDoNotKeepAModelFromResting) {
    auto options = quick();
    options.supervise.canary_interval = 5ms;
    options.idle_unload = 50ms;
    make("fake:", options).start();
    EXPECT_THAT(await(unloading).cause, HasSubstr("idle"));
}

TEST_F(KeepingReadyTest, AFailedInferenceIsLookedIntoAndASickModelIsLoadedAgain) {
    auto options = quick();
    options.warmup.level = 0;
    make("fake:fail=infer&after=1", options);
    ASSERT_TRUE(manager_->initialize(deadline_in(kLong)));
    EXPECT_TRUE(manager_->acquire()->transcribe(request()));
    EXPECT_EQ(manager_->acquire()->transcribe(request()).error().code, ErrorCode::inference_failed);
    EXPECT_THAT(await(error).cause, HasSubstr("unhealthy"));
    const auto seen = journal_.last_sequence();
    (void)await(ready, seen - 1);
    EXPECT_EQ(record_->loads, 2);
}

TEST_F(KeepingReadyTest, TwoFailedCanariesEndAModelAndItIsLoadedAgain) {
    auto options = quick();
    options.supervise.canary_interval = 5ms;
    auto& manager = make("fake:fail=infer&after=1", options);  // the warmup's inference passes
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    const auto failed = await(error);
    EXPECT_THAT(failed.cause, HasSubstr("unhealthy"));
    EXPECT_EQ(record_->inferences, 3) << "one of the warmup, two canaries";
    (void)await(loading, failed.sequence);
}

TEST_F(KeepingReadyTest, ACanaryMakesWayForARequest) {
    auto options = quick();
    options.supervise.canary_interval = 5ms;
    auto& manager = make("fake:hang=infer&after=1&slots=1", options, 1);  // every canary would hang for ever
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    while (record_->running == 0) std::this_thread::yield();
    const auto lease = manager.acquire();
    ASSERT_TRUE(lease);
    std::stop_source stop;
    Request mine = request();
    mine.stop = stop.get_token();
    std::promise<Result<Transcript>> answered;
    const int before = record_->inferences;
    lease->submit(std::move(mine),
                  [&](Result<Transcript> result, const RequestTimings&) { answered.set_value(std::move(result)); });
    while (record_->inferences == before) std::this_thread::yield();  // it has got the slot
    stop.request_stop();
    EXPECT_EQ(answered.get_future().get().error().code, ErrorCode::cancelled);
    EXPECT_EQ(manager.health().canary_failures, 0);
}

}  // namespace
}  // namespace hotmic
