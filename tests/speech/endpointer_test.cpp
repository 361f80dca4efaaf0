#include "speech/endpointer.hpp"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace hotmic {
namespace {

using Change = Endpointer::Change;

struct Found {
    std::uint64_t start;
    std::uint64_t end;
    friend bool operator==(const Found&, const Found&) = default;
    friend void PrintTo(const Found& found, std::ostream* out) { *out << found.start << "–" << found.end; }
};

/// 'v' holds a voice, '.' does not. Speech that is still open at the end has no end.
std::vector<Found> find(std::string_view frames, std::size_t silence = 6) {
    Endpointer endpointer(silence);
    std::vector<Found> found;
    for (const char frame : frames) {
        const auto change = endpointer.take(frame == 'v');
        if (change == Change::started) found.push_back({endpointer.started_at(), 0});
        if (change == Change::stopped) found.back().end = endpointer.voice_until();
    }
    return found;
}

TEST(Endpointer, SpeechBeginsWithItsFirstVoiceAndEndsAfterItsLast) {
    EXPECT_EQ(find("....vvvvvvvvvv.........."), (std::vector<Found>{{4, 14}}));
}

TEST(Endpointer, AClickIsNoSpeech) {
    EXPECT_TRUE(find("...v......v......vv......v....").empty());
}

TEST(Endpointer, AGapWithinAWordIsNoEnd) {
    EXPECT_EQ(find("..vvvvvv...vvvvvv.........."), (std::vector<Found>{{2, 17}}));
}

TEST(Endpointer, AStrayFrameDoesNotProlongSpeech) {
    EXPECT_EQ(find("vvvvvvvv.....v....................", 20), (std::vector<Found>{{0, 8}}));
}

TEST(Endpointer, OneAfterTheOther) {
    EXPECT_EQ(find("vvvvvvvv..........vvvvvvvv........"), (std::vector<Found>{{0, 8}, {18, 26}}));
}

TEST(Endpointer, WhatIsNotOverIsOpen) {
    Endpointer endpointer(6);
    for (int i = 0; i < 10; ++i) (void)endpointer.take(true);
    EXPECT_TRUE(endpointer.in_speech());
    endpointer.reset();
    EXPECT_FALSE(endpointer.in_speech());
}

}  // namespace
}  // namespace hotmic
