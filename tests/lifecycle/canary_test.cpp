#include "lifecycle/canary.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hotmic {
namespace {

using ::testing::HasSubstr;

const Result<Transcript> kGood{Transcript{.text = "a"}};
const Result<Transcript> kFailed = fail(ErrorCode::inference_failed, "broken");
const Result<Transcript> kGaveWay = fail(ErrorCode::cancelled, "made way");

TEST(Canary, TwoFailuresInARowAreUnhealthyAndSayWhy) {
    Canary canary(5, from_ms(100));
    EXPECT_FALSE(canary.judge(kFailed, from_ms(0)));
    const auto unhealthy = canary.judge(kFailed, from_ms(0));
    ASSERT_TRUE(unhealthy);
    EXPECT_EQ(unhealthy->code, ErrorCode::unhealthy);
    EXPECT_THAT(unhealthy->message, HasSubstr("broken"));
}

TEST(Canary, ASlowOneIsAFailedOneWithItsFigure) {
    Canary canary(5, from_ms(100));
    EXPECT_FALSE(canary.judge(kGood, from_ms(501)));
    const auto unhealthy = canary.judge(kGood, from_ms(730));
    ASSERT_TRUE(unhealthy);
    EXPECT_THAT(unhealthy->message, HasSubstr("730 ms, 7.3 times the warm latency of 100 ms"));
}

TEST(Canary, AGoodOneInBetweenMakesGood) {
    Canary canary(5, from_ms(100));
    EXPECT_FALSE(canary.judge(kFailed, from_ms(0)));
    EXPECT_FALSE(canary.judge(kGood, from_ms(499)));
    EXPECT_FALSE(canary.judge(kFailed, from_ms(0)));
    EXPECT_EQ(canary.failures_in_a_row(), 1);
    EXPECT_EQ(canary.last(), from_ms(499));
}

TEST(Canary, OneThatMadeWayForARequestSaysNothing) {
    Canary canary(5, from_ms(100));
    EXPECT_FALSE(canary.judge(kFailed, from_ms(0)));
    EXPECT_FALSE(canary.judge(kGaveWay, from_ms(9999)));
    EXPECT_EQ(canary.failures_in_a_row(), 1);
}

TEST(Canary, WithoutAWarmLatencyNoneIsSlow) {
    Canary canary(5, from_ms(0));
    EXPECT_FALSE(canary.judge(kGood, from_ms(1e6)));
    EXPECT_FALSE(canary.judge(kGood, from_ms(1e6)));
}

}  // namespace
}  // namespace hotmic
