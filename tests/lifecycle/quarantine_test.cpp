/// Which requests are refused, and for how long, at times of the tests' choosing.
#include "lifecycle/quarantine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lifecycle/calibration.hpp"

namespace hotmic {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct QuarantineTest : ::testing::Test {
    Quarantine quarantine{100s};
    Clock::time_point now = Clock::time_point{} + 1h;
};

TEST_F(QuarantineTest, ARequestIsRefusedAfterTwoDeathsAndTakenAgainAfterAWhile) {
    const auto first = now;
    EXPECT_THAT(quarantine.note_death({7, 8}, first), IsEmpty());
    EXPECT_EQ(quarantine.deaths(7, now), 1);
    EXPECT_FALSE(quarantine.refused_for(7, now));
    EXPECT_THAT(quarantine.note_death({7}, now += 10s), ElementsAre(first)) << "which explains the first death, too";
    EXPECT_EQ(quarantine.refused_for(7, now), 100s);
    EXPECT_FALSE(quarantine.refused_for(8, now)) << "it was beside it once";
    EXPECT_EQ(quarantine.refused_for(7, now + 99s), 1s);
    EXPECT_FALSE(quarantine.refused_for(7, now + 100s));
    EXPECT_EQ(quarantine.deaths(7, now + 100s), 0);
}

TEST_F(QuarantineTest, SeveralAlikeAtOneDeathAreOne) {
    EXPECT_THAT(quarantine.note_death({7, 8, 7, 7}, now), IsEmpty());
    EXPECT_EQ(quarantine.deaths(7, now), 1);
}

TEST_F(QuarantineTest, WhatIsAnsweredAfterADeathIsNotHeldAgainstItsLike) {
    (void)quarantine.note_death({7, 8}, now);
    quarantine.acquit(7);
    EXPECT_EQ(quarantine.deaths(7, now), 0);
    EXPECT_EQ(quarantine.deaths(8, now), 1);
    EXPECT_THAT(quarantine.note_death({7}, now), IsEmpty());
}

TEST_F(QuarantineTest, WhatHasNoFingerprintIsNeverBlamed) {
    for (int i = 0; i < 5; ++i) EXPECT_THAT(quarantine.note_death({0}, now), IsEmpty());
    EXPECT_FALSE(quarantine.refused_for(0, now));
}

TEST_F(QuarantineTest, ItHoldsABoundedNumberAndTheNewest) {
    for (std::uint64_t i = 1; i <= 3 * Quarantine::kMost; ++i) (void)quarantine.note_death({i}, now);
    EXPECT_EQ(quarantine.deaths(1, now), 0);
    EXPECT_EQ(quarantine.deaths(3 * Quarantine::kMost, now), 1);
    quarantine.clear();
    EXPECT_EQ(quarantine.deaths(3 * Quarantine::kMost, now), 0);
}

TEST(Calibration, ExpectsWhatTheNextLongerAudioTookAndBeyondThatInProportion) {
    Calibration calibration;
    EXPECT_EQ(calibration.expected(Seconds(10)), from_ms(0));
    calibration.note(Seconds(2), from_ms(100));
    calibration.note(Seconds(2), from_ms(300));
    calibration.note(Seconds(2), from_ms(200));
    calibration.note(Seconds(10), from_ms(700));
    EXPECT_EQ(calibration.expected(Seconds(0.5)), from_ms(300));
    EXPECT_EQ(calibration.expected(Seconds(2)), from_ms(300)) << "the slowest";
    EXPECT_EQ(calibration.expected(Seconds(5)), from_ms(700));
    EXPECT_DOUBLE_EQ(to_s(calibration.expected(Seconds(60))), 4.2);
    calibration.note(Seconds(12), from_ms(500));
    EXPECT_EQ(calibration.expected(Seconds(11)), from_ms(700)) << "shorter audio has taken longer";
}

}  // namespace
}  // namespace hotmic
