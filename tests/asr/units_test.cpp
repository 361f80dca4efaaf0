#include "hotmic/units.hpp"

#include <gtest/gtest.h>

#include <type_traits>

namespace hotmic {
namespace {

using namespace std::chrono_literals;

static_assert(!std::is_convertible_v<double, Seconds>, "a bare number says no unit");
static_assert(!std::is_convertible_v<int, Samples>);
static_assert(!std::is_convertible_v<Seconds, double>);
static_assert(!std::is_convertible_v<Seconds, Samples>, "something would be lost");
static_assert(!std::is_convertible_v<Seconds, std::chrono::milliseconds>);
static_assert(std::is_convertible_v<Samples, Seconds>);
static_assert(std::is_convertible_v<std::chrono::milliseconds, Samples>);

TEST(Units, SamplesAndSecondsBecomeEachOther) {
    EXPECT_EQ(seconds_of(kSampleRate / 2), Seconds(0.5));
    EXPECT_EQ(samples_in(Seconds(0.5)), 8000U);
    EXPECT_EQ(samples_in(Samples(7)), 7U);
    EXPECT_EQ(Seconds(Samples(kSampleRate)) + 500ms, Seconds(1.5));
}

TEST(Units, ASampleThatHasOnlyBegunIsNotCounted) {
    EXPECT_EQ(samples_in(Seconds(1.99 / kSampleRate)), 1U);
}

TEST(Units, WholeMillisecondsAreWholeSamples) {
    for (int ms = 0; ms < 5000; ++ms)
        ASSERT_EQ(samples_in(std::chrono::milliseconds(ms)), 16U * static_cast<unsigned>(ms));
}

TEST(Units, MillisecondsAreToldAndTaken) {
    EXPECT_DOUBLE_EQ(to_ms(Seconds(0.25)), 250);
    EXPECT_DOUBLE_EQ(to_ms(3ms), 3);
    EXPECT_EQ(from_ms(250), Seconds(0.25));
    EXPECT_DOUBLE_EQ(to_s(90s), 90);
}

}  // namespace
}  // namespace hotmic
