#include "text/human_size.hpp"

#include <gtest/gtest.h>

#include "hotmic/units.hpp"

namespace hotmic {
namespace {

TEST(HumanSize, IsRoundedAsPeopleReadIt) {
    EXPECT_EQ(human_size(Bytes(12)), "12 bytes");
    EXPECT_EQ(human_size(Bytes(61'000'000)), "61 MB");
    EXPECT_EQ(human_size(Bytes(1'540'000'000)), "1.5 GB");
}

TEST(HumanSize, TwoThatAreComparedAreToldApart) {
    EXPECT_EQ(precise_size(Bytes(50'040'000)), "50.0 MB");
    EXPECT_EQ(precise_size(Bytes(50'060'000)), "50.1 MB");
    EXPECT_EQ(precise_size(mebibytes(16 << 10)), "17.18 GB");
}

}  // namespace
}  // namespace hotmic
