#include "cli/terminal.hpp"

#include <gtest/gtest.h>

namespace hotmic::cli {
namespace {

TEST(Terminal, ColumnsLineUpByCharactersAndNotByBytes) {
    EXPECT_EQ(aligned({{"größe", "1"}, {"a", "22"}}), "größe  1\na      22\n");
    EXPECT_EQ(aligned({{"a", "b"}}, 2), "  a  b\n");
    EXPECT_EQ(aligned({{"a", ""}, {"bb"}}), "a\nbb\n");
}

TEST(Terminal, TimesReadLikeAPersonWouldSayThem) {
    EXPECT_EQ(human_time(from_ms(0.74)), "0.7 ms");
    EXPECT_EQ(human_time(from_ms(85.2)), "85 ms");
    EXPECT_EQ(human_time(from_ms(1500)), "1.50 s");
    EXPECT_EQ(human_time(from_ms(125'400)), "2 min 05 s");
}

TEST(Terminal, AFileIsNoTerminalAndGetsNoColour) {
    std::FILE* file = std::tmpfile();
    ASSERT_NE(file, nullptr);
    EXPECT_FALSE(is_terminal(file));
    EXPECT_EQ(paint(file, Colour::red, "plain"), "plain");
    std::fclose(file);
}

}  // namespace
}  // namespace hotmic::cli
