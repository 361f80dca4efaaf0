#include "asr/unspoken.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hotmic {
namespace {

TEST(Credible, WhatIsWrittenOfSoundsIsNoText) {
    for (const auto* sound : {" [BLANK_AUDIO]", "[ Silence ]", " (upbeat music)", "[knocking on door]", "* Musik *",
                              " ♪♪", "♪ la la la ♪", "（拍手）", " [Music] [Applause]", "*laughs*"}) {
        Segment segment{.text = sound};
        EXPECT_FALSE(keep_speech(segment)) << sound;
    }
}

TEST(Credible, WhatIsSaidStays) {
    for (const auto* said :
         {" Good morning.", "字幕", " 2 * 3 * 4", " (a) or (b)", " f(x)", "", " He said [sic", "a ] b"}) {
        Segment segment{.text = said};
        EXPECT_TRUE(keep_speech(segment)) << said;
        EXPECT_EQ(segment.text, said);
    }
}

TEST(Credible, SoundsBesideWordsGoAndTheirWordsWithThem) {
    Segment segment{.text = " Ask not. [BLANK_AUDIO]",
                    .words = {{"Ask", Seconds(0), Seconds(1), 1},
                              {"not.", Seconds(1), Seconds(2), 1},
                              {"[BLANK_AUDIO]", Seconds(2), Seconds(9), 1}}};
    ASSERT_TRUE(keep_speech(segment));
    EXPECT_EQ(segment.text, " Ask not.");
    ASSERT_EQ(segment.words.size(), 2u);
    EXPECT_EQ(segment.words.back().text, "not.");
    EXPECT_EQ(without_sounds("Guten Tag. * Musik *"), "Guten Tag.");
    EXPECT_EQ(without_sounds(" one [noise] two"), " one two");
}

TEST(Credible, SoundsStayForWhoAsks) {
    Segment segment{.text = " [Applause] Thank you.", .words = {{"[Applause]", Seconds(0), Seconds(1), 1}}};
    ASSERT_TRUE(keep_speech(segment, true));
    EXPECT_EQ(segment.text, " [Applause] Thank you.");
    EXPECT_EQ(segment.words.size(), 1u);
    Segment doubtful{.text = " [Music]", .avg_logprob = -1.2, .no_speech_prob = 0.9};
    EXPECT_FALSE(keep_speech(doubtful, true)) << "the engine itself takes it for nothing";
}

TEST(Credible, WhatTheEngineItselfDoubtsIsNoSpeech) {
    Segment segment{.text = " Thank you.", .avg_logprob = -1.2, .no_speech_prob = 0.9};
    EXPECT_FALSE(keep_speech(segment));
    segment.avg_logprob = -0.3;
    EXPECT_TRUE(keep_speech(segment));
}

}  // namespace
}  // namespace hotmic
