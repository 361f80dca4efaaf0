/// What follows a failure, at times of the tests' choosing.
#include "lifecycle/recovery.hpp"

#include <gtest/gtest.h>

namespace hotmic {
namespace {

using namespace std::chrono_literals;

const Error kTransient{ErrorCode::insufficient_memory, "short"};
const Error kPermanent{ErrorCode::model_corrupt, "bad"};
const Error kCrash{ErrorCode::worker_crashed, "died"};
constexpr RetryPolicy kRetry{.max_attempts = 3, .initial_backoff = 1000ms, .max_backoff = 5000ms, .jitter = 0};
constexpr SuperviseOptions kSupervise{.crash_loop_deaths = 4, .crash_loop_window = 100s};

struct RecoveryTest : ::testing::Test {
    Recovery recovery{kRetry, kSupervise, 1};
    Clock::time_point now{};
};

TEST_F(RecoveryTest, APermanentFailureIsNotTriedAgain) {
    EXPECT_FALSE(recovery.after_failure(kPermanent, now).wait);
}

TEST_F(RecoveryTest, ATransientFailureIsTriedAgainWithDoublingWaitsUntilTheAttemptsAreUsedUpThenAfterPauses) {
    EXPECT_EQ(recovery.after_failure(kTransient, now).wait, 1s);
    EXPECT_EQ(recovery.after_failure(kTransient, now).wait, 2s);
    const auto last = recovery.after_failure(kTransient, now);
    EXPECT_TRUE(last.pause);
    EXPECT_FALSE(last.crash_loop);
    EXPECT_EQ(last.wait, 100s) << "as long as the crash loop's window";
    EXPECT_EQ(recovery.after_failure(kTransient, now).wait, 200s) << "the cause may pass: it is not given up";
}

TEST_F(RecoveryTest, WhatABusyOrIncompleteMachineCausesIsTriedAgain) {
    for (const auto code : {ErrorCode::warmup_failed, ErrorCode::too_slow, ErrorCode::provider_unavailable}) {
        Recovery fresh{kRetry, kSupervise, 1};
        EXPECT_EQ(fresh.after_failure({code, "busy"}, now).wait, 1s) << to_string(code);
    }
}

TEST_F(RecoveryTest, WhoWantsOneAttemptGetsNoMore) {
    Recovery once({.max_attempts = 1, .jitter = 0}, kSupervise, 1);
    EXPECT_FALSE(once.after_failure(kTransient, now).wait);
}

TEST_F(RecoveryTest, BeingAskedBeginsANewSeries) {
    (void)recovery.after_failure(kTransient, now);
    (void)recovery.after_failure(kTransient, now);
    recovery.begin_series();
    EXPECT_EQ(recovery.after_failure(kTransient, now).wait, 1s);
}

TEST_F(RecoveryTest, TheFirstDeathIsAnsweredAtOnceAndFurtherOnesEverLater) {
    EXPECT_EQ(recovery.after_death(now).wait, 0s);
    recovery.succeeded(now);
    EXPECT_EQ(recovery.after_death(now += 10s).wait, 1s);
    recovery.succeeded(now);
    EXPECT_EQ(recovery.after_death(now += 10s).wait, 2s);
}

TEST_F(RecoveryTest, TooManyDeathsWithinTheWindowAreACrashLoop) {
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(recovery.after_death(now += 10s).crash_loop);
    const auto verdict = recovery.after_death(now += 10s);
    EXPECT_TRUE(verdict.crash_loop);
    EXPECT_EQ(recovery.deaths(now), 4);
}

TEST_F(RecoveryTest, ACrashLoopEndsAfterItsWindowWithOneAttemptAfterEverLongerPauses) {
    for (int i = 0; i < 3; ++i) (void)recovery.after_death(now += 10s);
    EXPECT_EQ(recovery.after_death(now += 10s).wait, 100s) << "the window";
    for (const auto pause : {200s, 400s, 800s, 800s}) {
        recovery.succeeded(now += 1000s);
        const auto again = recovery.after_death(now += 20s);
        EXPECT_TRUE(again.crash_loop) << "it has one attempt";
        EXPECT_TRUE(again.pause);
        EXPECT_EQ(again.wait, pause);
    }
    recovery.succeeded(now += 1000s);
    EXPECT_EQ(recovery.after_death(now += 101s).wait, 0s) << "it was READY for a whole window: all is well again";
}

TEST_F(RecoveryTest, AnEngineThatCannotStartAfterAPauseMakesTheNextOne) {
    for (int i = 0; i < 4; ++i) (void)recovery.after_death(now);
    const auto again = recovery.after_failure(kCrash, now += 1000s);
    EXPECT_TRUE(again.crash_loop);
    EXPECT_EQ(again.wait, 200s);
}

TEST_F(RecoveryTest, DeathsThatARequestIsToBlameForMakeNoCrashLoopButDelay) {
    for (int i = 0; i < 20; ++i) {
        const auto first = now += 1s;
        EXPECT_FALSE(recovery.after_death(first).crash_loop) << i;
        recovery.excuse(first);  // the second shows whose fault it was
        const auto second = recovery.after_death(now += 1s, true);
        EXPECT_FALSE(second.crash_loop) << i;
        EXPECT_EQ(recovery.deaths(now), 0) << i;
        if (i > 5) {
            EXPECT_EQ(second.wait, 5s) << "the longest backoff";
        }
    }
}

TEST_F(RecoveryTest, DeathsOutsideTheWindowAreForgotten) {
    for (int i = 0; i < 20; ++i) {
        EXPECT_FALSE(recovery.after_death(now += 40s).crash_loop) << i;
        recovery.succeeded(now);
    }
    EXPECT_EQ(recovery.deaths(now + 100s), 0);
}

TEST_F(RecoveryTest, AModelThatOnceWasReadyIsBroughtBackForAsLongAsItTakes) {
    (void)recovery.after_death(now);
    for (int i = 0; i < 50; ++i) {
        const auto verdict = recovery.after_failure(kTransient, now += 60s);
        ASSERT_TRUE(verdict.wait) << i;
        EXPECT_LE(*verdict.wait, 5s);
    }
}

TEST_F(RecoveryTest, AnEngineThatDiesEachTimeItStartsIsACrashLoopToo) {
    (void)recovery.after_death(now);
    EXPECT_TRUE(recovery.after_failure(kCrash, now += 1s).wait);
    EXPECT_TRUE(recovery.after_failure(kCrash, now += 1s).wait);
    EXPECT_TRUE(recovery.after_failure(kCrash, now += 1s).crash_loop);
}

TEST_F(RecoveryTest, ForgivenessBeginsAnew) {
    for (int i = 0; i < 4; ++i) (void)recovery.after_death(now);
    recovery.forgive();
    EXPECT_EQ(recovery.deaths(now), 0);
    EXPECT_EQ(recovery.after_death(now).wait, 0s);
}

TEST(Recovery, JitterScalesWaitsWithinItsBounds) {
    RetryPolicy retry = kRetry;
    retry.jitter = 0.2;
    double least = 1e9;
    double most = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        const auto wait = Recovery(retry, kSupervise, seed).after_failure(kTransient, {}).wait;
        const double seconds = std::chrono::duration<double>(*wait).count();
        least = std::min(least, seconds);
        most = std::max(most, seconds);
    }
    EXPECT_GE(least, 0.8);
    EXPECT_LE(most, 1.2);
    EXPECT_GT(most - least, 0.2);
}

}  // namespace
}  // namespace hotmic
