#include "live/degrade_ladder.hpp"

#include <gtest/gtest.h>

namespace hotmic {
namespace {

using std::chrono::duration;
using std::chrono::milliseconds;

class Ladder : public ::testing::Test {
protected:
    /// Decodes that are so late, ten a second.
    void decodes(double late, double seconds) {
        for (int i = 0; i < static_cast<int>(seconds * 10); ++i) {
            now_ += milliseconds(100);
            ladder_.observe(now_, duration<double>(late));
        }
    }
    Clock::time_point now_ = Clock::now();
    DegradeLadder ladder_;
};

TEST_F(Ladder, DecodesInTimeAreNormal) {
    decodes(0.05, 60);
    EXPECT_EQ(ladder_.level(), DegradeLevel::normal);
    EXPECT_NEAR(ladder_.lateness().count(), 0.05, 0.01);
}

TEST_F(Ladder, OneLateDecodeIsNoOverload) {
    decodes(0, 5);
    decodes(2, 0.1);
    EXPECT_EQ(ladder_.level(), DegradeLevel::normal);
}

TEST_F(Ladder, TheLaterTheHigher) {
    decodes(0.8, 10);
    EXPECT_EQ(ladder_.level(), DegradeLevel::fewer_partials);
    decodes(2, 10);
    EXPECT_EQ(ladder_.level(), DegradeLevel::no_partials);
    decodes(10, 10);
    EXPECT_EQ(ladder_.level(), DegradeLevel::late_finals);
}

TEST_F(Ladder, ComesDownStepByStepAfterAWhileInTime) {
    decodes(10, 10);
    std::vector<DegradeLevel> levels{ladder_.level()};
    for (int i = 0; i < 300; ++i) {
        decodes(0, 0.1);
        if (ladder_.level() != levels.back()) levels.push_back(ladder_.level());
    }
    EXPECT_EQ(levels, (std::vector{DegradeLevel::late_finals, DegradeLevel::no_partials, DegradeLevel::fewer_partials,
                                   DegradeLevel::normal}));
}

TEST_F(Ladder, DoesNotFlutter) {
    int changes = 0;
    auto before = ladder_.level();
    for (int i = 0; i < 60; ++i) {
        decodes(i % 2 == 0 ? 0.7 : 0.2, 1);
        if (ladder_.level() != before) ++changes;
        before = ladder_.level();
    }
    EXPECT_LE(changes, 1);
}

}  // namespace
}  // namespace hotmic
