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
static_assert(!std::is_convertible_v<int, Bytes>);
static_assert(!std::is_convertible_v<Bytes, std::uint64_t>);
static_assert(!std::is_convertible_v<Bytes, bool>, "only a condition asks whether there are any");

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

TEST(Units, BytesAreCountedAndCompared) {
    EXPECT_EQ(mebibytes(1), Bytes(1 << 20));
    EXPECT_EQ(Bytes(3) * 4 + Bytes(1), Bytes(13));
    EXPECT_EQ(Bytes(13) / 2, Bytes(6));
    EXPECT_DOUBLE_EQ(Bytes(3) / Bytes(4), 0.75);
    EXPECT_LT(Bytes(3), Bytes(4));
    EXPECT_EQ(to_mb(mebibytes(7) + Bytes(1)), 7U);
    EXPECT_TRUE(Bytes(1));
    EXPECT_FALSE(Bytes());
}

TEST(Units, NothingIsLeftWhereMoreIsTakenThanThereIs) {
    EXPECT_EQ(Bytes(5) - Bytes(3), Bytes(2));
    EXPECT_EQ(Bytes(3) - Bytes(5), Bytes());
    auto some = Bytes(3);
    some -= Bytes(4);
    EXPECT_EQ(some, Bytes());
}

}  // namespace
}  // namespace hotmic
