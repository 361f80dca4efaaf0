/// Prompts as libwhisper can take them.
#include "asr/providers/whisper_cpp/text.hpp"

#include <gtest/gtest.h>

namespace hotmic::whisper_cpp {
namespace {

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
