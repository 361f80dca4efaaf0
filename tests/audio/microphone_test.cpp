/// What can be said of microphones on a machine that need not have one.
#include "audio/microphone.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace hotmic::audio {
namespace {

TEST(Microphone, TheSilentOneGivesSilenceForAsLongAsItIsRead) {
    auto microphone = open_microphone(kSilentMicrophone);
    ASSERT_TRUE(microphone) << microphone.error().message;
    std::array<float, kSampleRate / 10> samples{};
    for (int i = 0; i < 3; ++i) {
        samples.fill(1);
        const auto count = (*microphone)->read(samples);
        ASSERT_TRUE(count);
        EXPECT_EQ(*count, samples.size());
        EXPECT_TRUE(std::ranges::all_of(samples, [](float sample) { return sample == 0; }));
    }
    EXPECT_EQ((*microphone)->damage(), "");
}

TEST(Microphone, OneThatIsNotThereIsAnErrorThatSaysWhatToDo) {
    const auto microphone = open_microphone("surely nobody calls a microphone this");
    ASSERT_FALSE(microphone);
    EXPECT_TRUE(microphone.error().code == ErrorCode::io_error ||
                microphone.error().code == ErrorCode::invalid_request);
    EXPECT_NE(microphone.error().remedy, "");
}

TEST(Microphone, TheSilentOneIsNotAmongThoseThatAreNamed) {
    EXPECT_FALSE(std::ranges::contains(microphones(), std::string(kSilentMicrophone)));
}

}  // namespace
}  // namespace hotmic::audio
