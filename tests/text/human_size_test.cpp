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

}  // namespace
}  // namespace hotmic
