#include "asr/cues.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <uniwidth.h>

#include "text/utf8.hpp"

namespace hotmic {
namespace {

using ::testing::ElementsAre;

int columns(const std::string& text) {
    return u8_width(reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), "UTF-8");
}

std::vector<std::string> lines_of(const std::vector<Cue>& cues) {
    std::vector<std::string> lines;
    for (const auto& cue : cues) lines.append_range(cue.lines);
    return lines;
}

std::string without_spaces(std::string_view text) {
    std::string left;
    for (const char c : text)
        if (c != ' ' && c != '\n') left += c;
    return left;
}

struct Spoken {
    std::string name;
    std::string text;
};

class CuesOf : public ::testing::TestWithParam<Spoken> {};

TEST_P(CuesOf, FitLoseNothingAndGoOnInTime) {
    const Segment segment{.start = Seconds(10), .end = Seconds(22), .text = GetParam().text};
    for (const int width : {1, 2, 7, 20, 42, 300}) {
        for (const int count : {1, 2, 3}) {
            const auto cues = cues_of(segment, {.max_line_width = width, .max_line_count = count});
            ASSERT_FALSE(cues.empty());
            std::string all;
            auto before = segment.start;
            for (const auto& cue : cues) {
                EXPECT_LE(std::ssize(cue.lines), count);
                EXPECT_GE(cue.start, before);
                EXPECT_GT(cue.end, cue.start);
                before = cue.end;
                for (const auto& line : cue.lines) {
                    EXPECT_EQ(valid_utf8(line), line) << "no character is cut";
                    EXPECT_NE(line, "");
                    EXPECT_FALSE(line.starts_with(' ') || line.ends_with(' ')) << '"' << line << '"';
                    EXPECT_LE(columns(line), std::max(width, 2)) << line;  // one full-width character always fits
                    all += line;
                }
            }
            EXPECT_EQ(cues.front().start, segment.start);
            EXPECT_NEAR(cues.back().end.count(), segment.end.count(), 0.1);
            EXPECT_EQ(without_spaces(all), without_spaces(segment.text));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(
    Scripts, CuesOf,
    testing::Values(
        Spoken{"english",
               " And so, my fellow Americans, ask not what your country can do for you, ask what you can do."},
        Spoken{"german",
               " Die Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft grüßt."},
        Spoken{"chinese", "我们的会议从早上九点开始，请大家准时到场，并带上你们的报告和问题。谢谢大家的合作。"},
        Spoken{"japanese",
               "きょうの会議は午前九時から始まりますので、皆さん、時間どおりにお集まりください。ありがとう。"},
        Spoken{"korean", "오늘 회의는 아침 아홉 시에 시작하니 모두 제시간에 와 주시기 바랍니다."},
        Spoken{"mixed", "Das Wort für Kaffee ist コーヒー und für Tee お茶 in dieser Sprache."},
        Spoken{"one_word", "yes"}),
    [](const auto& each) { return each.param.name; });

TEST(Cues, BreakBetweenWordsIntoEvenLines) {
    const Segment segment{.start = Seconds(0),
                          .end = Seconds(6),
                          .text = " ask not what your country can do for you ask what you can do"};
    EXPECT_THAT(lines_of(cues_of(segment, {})),
                ElementsAre("ask not what your country can", "do for you ask what you can do"));
}

TEST(Cues, WhatFitsOnALineIsOneLine) {
    const Segment segment{.start = Seconds(1), .end = Seconds(2), .text = " What your country can do for you."};
    const auto cues = cues_of(segment, {});
    ASSERT_EQ(cues.size(), 1u);
    EXPECT_THAT(cues[0].lines, ElementsAre("What your country can do for you."));
    EXPECT_EQ(cues[0].start, Seconds(1));
    EXPECT_EQ(cues[0].end, Seconds(2));
}

TEST(Cues, FullWidthCharactersTakeTwoColumnsAndPunctuationStaysWithThem) {
    const auto broken = [](const char* text, int width) {
        return lines_of(cues_of({.start = Seconds(0), .end = Seconds(4), .text = text}, {.max_line_width = width}));
    };
    EXPECT_THAT(broken("請大家準時到場謝謝", 18), ElementsAre("請大家準時到場謝謝"));
    EXPECT_THAT(broken("請大家準時到場謝謝", 17), ElementsAre("請大家準時", "到場謝謝"));
    EXPECT_THAT(broken("請大家準時，謝謝", 11), ElementsAre("請大家準", "時，謝謝")) << "no line begins with a comma";
}

TEST(Cues, AKoreanWordIsWholeWhereItFits) {
    const Segment segment{.start = Seconds(0), .end = Seconds(4), .text = "회의는 아침 아홉 시에 시작합니다"};
    EXPECT_THAT(lines_of(cues_of(segment, {.max_line_width = 14})),
                ElementsAre("회의는 아침", "아홉 시에", "시작합니다"));
}

TEST(Cues, CharactersAsPeopleSeeThemAreNotCut) {
    // A family of four, a flag, and an e with its accent apart.
    const std::string family = "👨‍👩‍👧‍👦";
    const Segment segment{.start = Seconds(0), .end = Seconds(4), .text = family + family + "🇩🇪🇩🇪e\u0301e\u0301"};
    for (const auto& line : lines_of(cues_of(segment, {.max_line_width = 2}))) {
        EXPECT_TRUE(line == family || line == "🇩🇪" || line == "e\u0301e\u0301") << line;
    }
}

TEST(Cues, HaveTheTimesOfTheirWords) {
    const Segment segment{.start = Seconds(0),
                          .end = Seconds(9),
                          .text = " one two three four",
                          .words = {{"one", Seconds(0.2), Seconds(0.6), 1},
                                    {"two", Seconds(0.7), Seconds(1.1), 1},
                                    {"three", Seconds(6), Seconds(6.5), 1},
                                    {"four", Seconds(6.6), Seconds(8), 1}}};
    const auto cues = cues_of(segment, {.max_line_width = 10, .max_line_count = 1});
    ASSERT_EQ(cues.size(), 2u);
    EXPECT_THAT(lines_of(cues), ElementsAre("one two", "three four"));
    EXPECT_EQ(cues[0].start, Seconds(0)) << "the segment's own edges stay";
    EXPECT_DOUBLE_EQ(cues[0].end.count(), 1.1) << "the pause is in no cue";
    EXPECT_DOUBLE_EQ(cues[1].start.count(), 6);
    EXPECT_EQ(cues[1].end, Seconds(9));
}

TEST(Cues, HaveTheTimesOfWordsThatAreCharacters) {
    const Segment segment{.start = Seconds(0),
                          .end = Seconds(4),
                          .text = "你好世界",
                          .words = {{"你", Seconds(0), Seconds(1), 1},
                                    {"好", Seconds(1), Seconds(1.5), 1},
                                    {"世", Seconds(3), Seconds(3.5), 1},
                                    {"界", Seconds(3.5), Seconds(4), 1}}};
    const auto cues = cues_of(segment, {.max_line_width = 4, .max_line_count = 1});
    ASSERT_EQ(cues.size(), 2u);
    EXPECT_DOUBLE_EQ(cues[0].end.count(), 1.5);
    EXPECT_DOUBLE_EQ(cues[1].start.count(), 3);
}

TEST(Cues, HaveTheirShareOfTheSegmentWhereThereAreNoWords) {
    const Segment segment{.start = Seconds(10), .end = Seconds(20), .text = "aaaa bbbb"};
    const auto cues = cues_of(segment, {.max_line_width = 4, .max_line_count = 1});
    ASSERT_EQ(cues.size(), 2u);
    EXPECT_NEAR(cues[0].end.count(), 10 + 10 * 4 / 9.0, 0.01);
    EXPECT_NEAR(cues[1].start.count(), 10 + 10 * 5 / 9.0, 0.01);
}

TEST(Cues, OfASegmentWithoutLengthComeOneAfterTheOther) {
    const Segment segment{.start = Seconds(5),
                          .end = Seconds(5),
                          .text = "aaaa bbbb cccc",
                          .words = {{"aaaa", Seconds(7), Seconds(6), 1},
                                    {"bbbb", Seconds(-1), Seconds(9), 1},
                                    {"dddd", Seconds(5), Seconds(5), 1}}};
    const auto cues = cues_of(segment, {.max_line_width = 4, .max_line_count = 1});
    ASSERT_EQ(cues.size(), 3u);
    Seconds before(5);
    for (const auto& cue : cues) {
        EXPECT_GE(cue.start, before);
        EXPECT_NEAR((cue.end - cue.start).count(), 0.001, 1e-9);
        before = cue.end;
    }
}

TEST(Cues, AreWholeSegmentsWhereNoWidthIsAskedFor) {
    const std::string text(500, 'a');
    const auto cues = cues_of({.start = Seconds(1), .end = Seconds(2), .text = " " + text + "\n\n" + text + " "},
                              {.max_line_width = 0});
    ASSERT_EQ(cues.size(), 1u);
    EXPECT_THAT(cues[0].lines, ElementsAre(text + " " + text));
}

TEST(Cues, OfNothingAreNone) {
    EXPECT_TRUE(cues_of({.start = Seconds(0), .end = Seconds(1), .text = "  \n "}, {}).empty());
    EXPECT_TRUE(cues_of({.start = Seconds(0), .end = Seconds(1)}, {.max_line_width = 0}).empty());
}

}  // namespace
}  // namespace hotmic
