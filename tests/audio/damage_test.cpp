/// Media with holes and torn-off ends: what is intact is decoded at its time, and what is lost is told.
#include "audio/media_fixture.hpp"

namespace hotmic {
namespace {

struct Decoded {
    std::vector<float> samples;
    std::string damage;
};

Result<Decoded> decode_damaged(const std::string& media) {
    auto source = open_media(bytes_of(media));
    if (!source) return std::unexpected(source.error());
    auto samples = read_all(**source);
    if (!samples) return std::unexpected(samples.error());
    return Decoded{*std::move(samples), (*source)->damage()};
}

struct Kind {
    std::string name;
    std::string arguments;
    double least_likeness;
};

class Damaged : public MadeMedia, public ::testing::WithParamInterface<Kind> {};

/// The last second of audio starts at its own time, whatever was lost before.
TEST_P(Damaged, AHoleInTheMiddleLosesOnlyItself) {
    auto media = made(GetParam().arguments, GetParam().name);
    const auto hole = media.size() / 2;
    for (std::size_t i = 0; i < media.size() / 20; ++i) media[hole + i] = static_cast<char>(i * 37 + 11);
    const auto decoded = decode_damaged(media);
    ASSERT_TRUE(decoded) << decoded.error().describe();
    EXPECT_NE(decoded->damage, "");
    const auto end = static_cast<std::size_t>(original_.size() - kSampleRate * 6 / 5);
    ASSERT_GT(decoded->samples.size(), end);
    EXPECT_GT(likeness(AudioView(original_).subspan(end), AudioView(decoded->samples).subspan(end)),
              GetParam().least_likeness);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Damaged,
                         ::testing::Values(Kind{"a.flac", "", 0.97}, Kind{"a.m4a", "-c:a aac -b:a 64k", 0.95},
                                           Kind{"opus.ogg", "-c:a libopus", 0.85},
                                           Kind{"a.webm", "-c:a libopus -cluster_time_limit 500", 0.85},
                                           Kind{"alac.m4a", "-c:a alac", 0.97}),
                         [](const auto& kind) {
                             auto name = kind.param.name;
                             std::ranges::replace(name, '.', '_');
                             return name;
                         });

/// MP3 has no clock: what follows a hole cannot be put at its time, but the hole is told.
TEST_F(MadeMedia, AHoleInAnMp3IsTold) {
    auto media = made("-b:a 64k", "a.mp3");
    std::fill_n(media.begin() + static_cast<std::ptrdiff_t>(media.size() / 2), media.size() / 10, '\0');
    const auto decoded = decode_damaged(media);
    ASSERT_TRUE(decoded) << decoded.error().describe();
    EXPECT_NEAR(seconds_of(decoded->samples.size()).count(), 0.9 * seconds_of(original_.size()).count(), 0.2);
    EXPECT_THAT(decoded->damage, HasSubstr("before the length"));
}

TEST_F(Media, ATruncatedFileYieldsWhatItHoldsAndSaysSo) {
    const auto& whole = *audio::builtin_clip().encoded;
    const std::string media(reinterpret_cast<const char*>(whole.data()), whole.size() / 2);
    const auto decoded = decode_damaged(media);
    ASSERT_TRUE(decoded) << decoded.error().describe();
    EXPECT_GT(decoded->samples.size(), original_.size() / 4);
    EXPECT_LT(decoded->samples.size(), original_.size());
    EXPECT_THAT(decoded->damage, HasSubstr("before the length"));
}

TEST_F(MadeMedia, ATruncatedUploadOfAnyKindIsNotTakenForWhole) {
    const std::string faststart = "-c:a aac -movflags faststart";
    for (const auto& [name, arguments] : std::vector<std::pair<std::string, std::string>>{
             {"a.flac", ""}, {"a.mp3", ""}, {"a.m4a", faststart}, {"a.mka", "-c:a flac"}}) {
        auto media = made(arguments, name);
        media.resize(media.size() / 2);
        const auto decoded = decode_damaged(media);
        ASSERT_TRUE(decoded) << name << ": " << decoded.error().describe();
        EXPECT_LT(decoded->samples.size(), original_.size() * 3 / 4) << name;
        EXPECT_THAT(decoded->damage, HasSubstr("before the length")) << name;
    }
}

TEST_F(MadeMedia, AnMp4WithoutItsIndexIsAnError) {
    auto media = made("-c:a aac", "moov_at_end.mp4");
    media.resize(media.size() / 2);
    EXPECT_EQ(error_of(bytes_of(media)), ErrorCode::audio_undecodable);
}

TEST_F(MadeMedia, MostlyDamagedIsAnError) {
    auto media = made("-c:a alac -movflags faststart", "alac.m4a");
    for (auto i = media.find("mdat") + 4 + media.size() / 3; i < media.size(); ++i) {
        media[i] = static_cast<char>(i * 37 + 11);
    }
    const auto decoded = decode_damaged(media);
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.error().code, ErrorCode::audio_undecodable);
    EXPECT_THAT(decoded.error().message, HasSubstr("packets are damaged"));
}

TEST_F(MadeMedia, NothingIntactIsAnErrorAtOnce) {
    auto media = made("-c:a alac -movflags faststart", "alac.m4a");
    for (auto i = media.find("mdat") + 4; i < media.size(); ++i) media[i] = static_cast<char>(i * 37 + 11);
    const auto source = open_media(bytes_of(media));
    ASSERT_FALSE(source);
    EXPECT_EQ(source.error().code, ErrorCode::audio_undecodable);
}

/// Every place of a file is cut and bent once: whatever comes out, it comes out as a value.
TEST_F(MadeMedia, NoDamageAnywhereIsMoreThanAnError) {
    for (const auto& [name, arguments] :
         std::vector<std::pair<std::string, std::string>>{{"a.wav", "-t 0.3"},
                                                          {"a.mp3", "-t 0.3"},
                                                          {"a.m4a", "-t 0.3 -c:a aac"},
                                                          {"a.webm", "-t 0.3 -c:a libopus"}}) {
        const auto media = made(arguments, name);
        std::uint32_t state = 7;
        for (int round = 0; round < 150; ++round) {
            auto bent = media;
            for (int i = 0; i < 4; ++i) {
                state = state * 1664525 + 1013904223;
                const auto front = std::min<std::size_t>(media.size(), 900);  // where the headers are
                bent[(state >> 8) % (i < 3 ? front : media.size())] = static_cast<char>(state >> 3);
            }
            if (round % 3 == 0) bent.resize((state >> 4) % media.size());
            const auto decoded = decode(bytes_of(bent), {.max_length = Seconds(30)});
            if (decoded) {
                EXPECT_LE(decoded->size(), 30U * kSampleRate);
            } else {
                EXPECT_NE(decoded.error().code, ErrorCode::internal);
            }
        }
    }
}

}  // namespace
}  // namespace hotmic
