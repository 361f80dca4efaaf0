/// The clip that ships with hotmic, and the WAV that is made of it.
#include "audio/clip.hpp"

#include <limits>

#include "audio/media_fixture.hpp"

namespace hotmic {
namespace {

TEST(Clip, IsSpeechOfAKnownText) {
    const auto& clip = audio::builtin_clip();
    EXPECT_FALSE(clip.text.empty());
    EXPECT_EQ(clip.language, "en");
    EXPECT_GT(clip.length, Seconds(3));
    EXPECT_LT(clip.length, Seconds(10));
}

TEST(Clip, OfAnyLengthIsMostlySpeech) {
    for (const double seconds : {0.5, 2.0, 29.0, 45.0}) {
        const auto samples = audio::clip_of_length(Seconds(seconds));
        ASSERT_TRUE(samples);
        EXPECT_EQ(samples->size(), static_cast<std::size_t>(seconds * kSampleRate));
        EXPECT_GT(rms(*samples), 0.01);
    }
}

TEST(Clip, OfNoLengthHasNoSamples) {
    for (const double seconds : {0.0, -0.0, 1e-9}) {
        const auto samples = audio::clip_of_length(Seconds(seconds));
        ASSERT_TRUE(samples);
        EXPECT_TRUE(samples->empty());
    }
    EXPECT_EQ(audio::clip_of_length(Samples(1))->size(), 1U);
}

TEST(Clip, OfALengthThatCannotBeIsRefusedByName) {
    const auto infinity = std::numeric_limits<double>::infinity();
    for (const double seconds : {-1.0, -1e-300, std::nan(""), infinity, -infinity, 1e300, 3600.5}) {
        const auto samples = audio::clip_of_length(Seconds(seconds));
        ASSERT_FALSE(samples) << seconds;
        EXPECT_EQ(samples.error().code, ErrorCode::invalid_request);
        EXPECT_THAT(samples.error().message, HasSubstr(std::format("{}", seconds)));
    }
}

TEST(Wav, ComesBackAsItWasWritten) {
    const auto samples = audio::clip_of_length(Seconds(3)).value();
    const auto back = decode(audio::encode_wav(samples)).value();
    ASSERT_EQ(back.size(), samples.size());
    for (std::size_t i = 0; i < samples.size(); i += 101) EXPECT_NEAR(back[i], samples[i], 1e-3);
}

TEST(Wav, ClipsWhatIsTooLoud) {
    const auto back = decode(audio::encode_wav(std::vector{2.0F, -2.0F, 0.5F})).value();
    ASSERT_EQ(back.size(), 3U);
    EXPECT_NEAR(back[0], 1.0F, 1e-3);
    EXPECT_NEAR(back[1], -1.0F, 1e-3);
    EXPECT_NEAR(back[2], 0.5F, 1e-3);
}

}  // namespace
}  // namespace hotmic
