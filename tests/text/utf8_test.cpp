/// Characters from bytes that need not be any.
#include "text/utf8.hpp"

#include <gtest/gtest.h>

namespace hotmic {
namespace {

constexpr const char* kReplacement = "\xEF\xBF\xBD";

TEST(ValidUtf8, KeepsEveryCharacter) {
    EXPECT_EQ(valid_utf8(""), "");
    EXPECT_EQ(valid_utf8("gr\xC3\xBC\xC3\x9F\xF0\x9F\x98\x80"), "gr\xC3\xBC\xC3\x9F\xF0\x9F\x98\x80");
}

TEST(ValidUtf8, ReplacesWhatIsNone) {
    EXPECT_EQ(valid_utf8("a\xFF"
                         "b\xC3("),
              std::string("a") + kReplacement + "b" + kReplacement + "(");
    EXPECT_EQ(valid_utf8("end\xE2\x82"), std::string("end") + kReplacement) << "a character that never ends";
    EXPECT_FALSE(valid_utf8("\xED\xA0\x80").contains('\xED')) << "a surrogate";
    EXPECT_FALSE(valid_utf8("\xC0\xAF").contains('/')) << "an overlong form";
}

TEST(CharacterJoiner, HoldsACharacterBackUntilItIsWhole) {
    CharacterJoiner joiner;
    EXPECT_EQ(joiner.take("gr\xC3"), "gr");
    EXPECT_TRUE(joiner.within_character());
    EXPECT_EQ(joiner.take("\xBC"), "\xC3\xBC");
    EXPECT_FALSE(joiner.within_character());
    EXPECT_EQ(joiner.finish(), "");
}

TEST(CharacterJoiner, TakesTheBytesOfACharacterOneByOne) {
    CharacterJoiner joiner;
    EXPECT_EQ(joiner.take("\xF0"), "");
    EXPECT_EQ(joiner.take("\x9F"), "");
    EXPECT_EQ(joiner.take("\x98"), "");
    EXPECT_EQ(joiner.take("\x80"), "\xF0\x9F\x98\x80");
}

TEST(CharacterJoiner, PassesLongTextThroughUnchanged) {
    std::string text;
    for (int i = 0; i < 500; ++i) text += "a\xC3\xBC\xE2\x82\xAC";
    CharacterJoiner joiner;
    EXPECT_EQ(joiner.take(text), text);
    EXPECT_EQ(joiner.take(""), "");
}

TEST(CharacterJoiner, BytesThatAreNoCharacterBecomeReplacementCharacters) {
    CharacterJoiner joiner;
    EXPECT_EQ(joiner.take("a\x80z"), std::string("a") + kReplacement + "z") << "a continuation without a beginning";
    EXPECT_EQ(joiner.take("\xC3z"), std::string(kReplacement) + "z") << "a beginning without a continuation";
    EXPECT_EQ(joiner.take("\xFF"), kReplacement);
    EXPECT_EQ(joiner.take("\xC0\xAF").find('/'), std::string::npos) << "an overlong spelling";
    EXPECT_EQ(joiner.take("ok"), "ok");
}

TEST(CharacterJoiner, ACharacterThatNeverEndsIsReplacedAtTheEnd) {
    CharacterJoiner joiner;
    EXPECT_EQ(joiner.take("x\xE2\x82"), "x");
    EXPECT_EQ(joiner.finish(), kReplacement);
    EXPECT_EQ(joiner.finish(), "");
}

}  // namespace
}  // namespace hotmic
