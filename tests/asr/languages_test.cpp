#include "asr/languages.hpp"

#include <gtest/gtest.h>

namespace hotmic {
namespace {

TEST(Languages, ACodeANameOrAnotherNameIsACode) {
    EXPECT_EQ(language_code("de"), "de");
    EXPECT_EQ(language_code("German"), "de");
    EXPECT_EQ(language_code("castilian"), "es");
    EXPECT_EQ(language_code("jv"), "jw") << "Whisper's token is of the withdrawn code";
    EXPECT_EQ(language_code("klingon"), std::nullopt);
    EXPECT_EQ(language_code(""), std::nullopt);
}

TEST(Languages, TheNameIsThatOfTheApi) {
    EXPECT_EQ(language_name("my"), "myanmar");
    EXPECT_EQ(language_name("xx"), "xx");
}

TEST(Languages, SomeAreWrittenWithoutSpaces) {
    EXPECT_TRUE(has_spaces("en"));
    EXPECT_TRUE(has_spaces(""));
    EXPECT_FALSE(has_spaces("ja"));
}

TEST(Languages, CodesAndNamesFindEachOther) {
    EXPECT_EQ(language_name("de"), "german");
    EXPECT_EQ(language_code("German"), "de");
    EXPECT_EQ(language_code("de"), "de");
    EXPECT_EQ(language_code("klingon"), std::nullopt);
    EXPECT_EQ(language_name("tlh"), "tlh");
}

}  // namespace
}  // namespace hotmic
