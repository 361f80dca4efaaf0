/// Characters from the bytes of tokens.
#include "asr/providers/whisper_cpp/text.hpp"

#include <gtest/gtest.h>

namespace hotmic::whisper_cpp {
namespace {

constexpr const char* kReplacement = "\xEF\xBF\xBD";

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

TEST(EndOfPrompt, KeepsAShortPromptWhole) {
    EXPECT_EQ(end_of_prompt("a b c", 5), "a b c");
}

TEST(EndOfPrompt, KeepsTheEndOfALongPromptFromAWordOn) {
    EXPECT_EQ(end_of_prompt("alpha beta gamma", 9), " gamma");
}

TEST(EndOfPrompt, DoesNotBeginWithinACharacter) {
    EXPECT_EQ(end_of_prompt("\xE2\x82\xAC\xE2\x82\xAC", 5), "\xE2\x82\xAC");
}

}  // namespace
}  // namespace hotmic::whisper_cpp
