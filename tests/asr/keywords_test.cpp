/// Hot words as people write them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "asr/keywords.hpp"

namespace hotmic {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Hotwords, ArePhrasesBetweenCommasAndLineEndsWithTheirBoosts) {
    EXPECT_THAT(parse_hotwords(" Ada Lovelace, Babbage: 3.5\n\n\"hotmic\",", "hotwords").value(),
                ElementsAre(Hotword{"Ada Lovelace"}, Hotword{"Babbage", 3.5}, Hotword{"hotmic"}));
    EXPECT_THAT(parse_hotwords("", "hotwords").value(), IsEmpty());
}

TEST(Hotwords, ABoostIsANumberThatMakesSense) {
    for (const auto* text : {"Ada:x", "Ada:0", "Ada:-1", "Ada:21", "Ada:nan", ":3", "Ada:"}) {
        const auto parsed = parse_hotwords(text, "hotwords");
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error().code, ErrorCode::invalid_request);
        EXPECT_EQ(parsed.error().param, "hotwords");
    }
}

TEST(Keywords, AreWhatAPromptListsAndNotItsSentences) {
    EXPECT_THAT(
        keywords_in("Keywords: ZyntriQix, Digique Plus; CynapseFive."),
        ElementsAre(Hotword{"Keywords"}, Hotword{"ZyntriQix"}, Hotword{"Digique Plus"}, Hotword{"CynapseFive"}));
    EXPECT_THAT(keywords_in("The following is a conversation between two old friends about the weather."), IsEmpty());
}

}  // namespace
}  // namespace hotmic
