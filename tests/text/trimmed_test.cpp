#include "text/trimmed.hpp"

#include <gtest/gtest.h>

namespace hotmic {
namespace {

TEST(Trimmed, LosesWhatSurroundsItAndKeepsWhatIsWithin) {
    EXPECT_EQ(trimmed(" \t a b\r\n"), "a b");
    EXPECT_EQ(trimmed("a"), "a");
    EXPECT_EQ(trimmed("\"a 'b' \"", " \""), "a 'b'");
}

TEST(Trimmed, IsEmptyWhereNothingElseIsLeft) {
    EXPECT_EQ(trimmed(""), "");
    EXPECT_EQ(trimmed(" \n "), "");
}

}  // namespace
}  // namespace hotmic
