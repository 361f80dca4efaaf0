#include "asr/channels.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "asr/formats.hpp"

namespace hotmic {
namespace {

using ::testing::HasSubstr;

Transcript call() {
    Transcript one{.text = "Hello. Goodbye.",
                   .language = "en",
                   .language_probability = 0.9,
                   .duration = Seconds(10),
                   .segments = {{.start = Seconds(0),
                                 .end = Seconds(1),
                                 .text = " Hello.",
                                 .words = {{"Hello.", Seconds(0), Seconds(1), 1}}},
                                {.start = Seconds(8),
                                 .end = Seconds(9),
                                 .text = " Goodbye.",
                                 .words = {{"Goodbye.", Seconds(8), Seconds(9), 1}}}},
                   .uncovered = Seconds(1),
                   .counters = {{"window_6s", 1}}};
    Transcript other{.text = "Guten Tag. Auf Wiedersehen.",
                     .language = "de",
                     .language_probability = 0.8,
                     .duration = Seconds(10.5),
                     .segments = {{.start = Seconds(2), .end = Seconds(4), .text = "Guten Tag."},
                                  {.start = Seconds(8.5), .end = Seconds(10), .text = "Auf Wiedersehen."}},
                     .uncovered = Seconds(0.5),
                     .counters = {{"window_6s", 2}}};
    return joined({std::move(one), std::move(other)});
}

TEST(Channels, AreJoinedInOrderOfTime) {
    const auto whole = call();
    EXPECT_EQ(whole.text, "Hello. Guten Tag. Goodbye. Auf Wiedersehen.");
    ASSERT_EQ(whole.segments.size(), 4u);
    EXPECT_EQ(whole.segments[0].channel, 0);
    EXPECT_EQ(whole.segments[1].channel, 1);
    EXPECT_EQ(whole.segments[2].channel, 0);
    EXPECT_EQ(whole.segments[3].channel, 1);
    EXPECT_EQ(whole.duration, Seconds(10.5));
    EXPECT_EQ(whole.uncovered, Seconds(1.5));
    EXPECT_EQ(whole.counters.at("window_6s"), 3);
    EXPECT_EQ(whole.language, "de") << "more of it is spoken";
    EXPECT_EQ(whole.language_probability, 0.8);
}

TEST(Channels, AreToldOfSegmentsAndWordsAndOnlyWhereTheyAreSeparate) {
    const auto text = render(call(), ResponseFormat::verbose_json, {.words = true});
    EXPECT_THAT(text, HasSubstr(R"("text":"Guten Tag.")"));
    EXPECT_THAT(text, HasSubstr(R"("channel":1)"));
    EXPECT_THAT(text, HasSubstr(R"({"word":"Hello.","start":0,"end":1,"channel":0})"));
    const Transcript mixed{.text = "a", .segments = {{.start = Seconds(0), .end = Seconds(1), .text = "a"}}};
    EXPECT_EQ(render(mixed, ResponseFormat::verbose_json, {}).find("channel"), std::string::npos);
}

TEST(Channels, CuesAreInOrderOfTimeAlsoWhereTwoPeopleTalkAtOnce) {
    const auto whole = joined({{.segments = {{.start = Seconds(0), .end = Seconds(10), .text = "one two three four"}}},
                               {.segments = {{.start = Seconds(4), .end = Seconds(5), .text = "yes"}}}});
    const auto text = render(whole, ResponseFormat::srt, {.cues = {.max_line_width = 9, .max_line_count = 1}});
    EXPECT_LT(text.find("one two"), text.find("yes"));
    EXPECT_LT(text.find("yes"), text.find("four"));
}

TEST(Channels, WithoutSpeechAreNone) {
    const auto whole = joined({{.language = "en", .duration = Seconds(3)}, {.language = "en", .duration = Seconds(3)}});
    EXPECT_EQ(whole.text, "");
    EXPECT_EQ(whole.language, "en");
    EXPECT_EQ(joined({}).text, "");
}

TEST(Channels, MoreThanAFewAreNotHeardSeparately) {
    EXPECT_TRUE(check_separate(1));
    EXPECT_TRUE(check_separate(8));
    const auto refused = check_separate(9);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_request);
    EXPECT_EQ(refused.error().param, "channels");
    EXPECT_THAT(refused.error().message, HasSubstr("9 channels"));
}

TEST(Channels, HaveTwoNames) {
    EXPECT_EQ(parse_channels("mix"), Channels::mix);
    EXPECT_EQ(parse_channels("separate"), Channels::separate);
    EXPECT_FALSE(parse_channels("Mix"));
    EXPECT_EQ(name_of(Channels::separate), "separate");
}

}  // namespace
}  // namespace hotmic
