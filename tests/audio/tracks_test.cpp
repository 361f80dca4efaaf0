/// Recordings with more in them than one voice from one place: several tracks, channels, files in one, clocks that
/// leap.
#include "audio/media_fixture.hpp"

namespace hotmic {
namespace {

Result<std::vector<float>> decode_choice(const std::string& media, const TrackChoice& choice) {
    auto source = open_media(bytes_of(media), {}, choice);
    if (!source) return std::unexpected(source.error());
    return read_all(**source);
}

/// When it first sounds, in seconds.
double first_sound(AudioView audio) {
    const auto found = std::ranges::find_if(audio, [](float sample) { return std::abs(sample) > 0.02F; });
    return seconds_of(static_cast<std::size_t>(found - audio.begin())).count();
}

// --- channels ---

TEST_F(MadeMedia, ChannelsThatCancelEachOtherOutAreHeard) {
    for (const auto* name : {"inverted.wav", "inverted.mp3", "inverted.m4a"}) {
        const auto samples = decode(bytes_of(made("-ar 44100 -af 'pan=stereo|c0=c0|c1=-1*c0'", name)));
        ASSERT_TRUE(samples) << samples.error().describe();
        EXPECT_GT(rms(*samples) / rms(original_), 0.8) << name;
        EXPECT_GT(likeness(original_, *samples), 0.95) << name;
    }
}

TEST_F(MadeMedia, ChannelsOfTwoPeopleAreBothHeard) {
    const auto both = made(
        "-filter_complex '[0:a]asplit[a][b];[b]adelay=4000[c];[a]apad=pad_dur=4[d];"
        "[d][c]amerge=inputs=2[e]' -map '[e]'",
        "call.wav");
    const auto samples = decode(bytes_of(both));
    ASSERT_TRUE(samples) << samples.error().describe();
    const AudioView audio(*samples);
    EXPECT_GT(rms(audio.first(original_.size())), 0.4 * rms(original_));
    EXPECT_GT(rms(audio.last(original_.size())), 0.4 * rms(original_));
}

TEST_F(MadeMedia, OneChannelByItselfIsOnlyThat) {
    const auto call = made("-af 'pan=stereo|c0=c0|c1=0.1*c0,adelay=0|1000:all=0'", "call.wav");
    const auto left = decode_choice(call, {.channel = 0});
    const auto right = decode_choice(call, {.channel = 1});
    ASSERT_TRUE(left && right);
    EXPECT_EQ(left->size(), right->size());
    EXPECT_NEAR(rms(*right) / rms(*left), 0.1, 0.02);
    EXPECT_NEAR(first_sound(*left), first_sound(original_), 0.01);
    const auto third = decode_choice(call, {.channel = 2});
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().code, ErrorCode::invalid_request);
    EXPECT_THAT(third.error().message, HasSubstr("2 channels"));
}

// --- files in one ---

class Joined : public MadeMedia, public ::testing::WithParamInterface<std::pair<const char*, const char*>> {};

TEST_P(Joined, IsHeardWhole) {
    const auto first = made(GetParam().first, std::string("a.") + GetParam().second);
    const auto second = made(GetParam().first, std::string("b.") + GetParam().second);
    const auto samples = decode(bytes_of(first + second + first));
    ASSERT_TRUE(samples) << samples.error().describe();
    EXPECT_NEAR(seconds_of(samples->size()).count(), 3 * seconds_of(original_.size()).count(), 0.4);
    EXPECT_GT(likeness(original_, AudioView(*samples).last(original_.size())), 0.9);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Joined,
                         ::testing::Values(std::pair{"", "wav"}, std::pair{"-c:a aac", "m4a"},
                                           std::pair{"-c:a aac -movflags frag_keyframe+empty_moov", "mp4"},
                                           std::pair{"-b:a 64k", "mp3"}, std::pair{"-c:a libopus", "ogg"},
                                           std::pair{"-c:a aac", "aac"}, std::pair{"", "flac"},
                                           std::pair{"-c:a libopus", "webm"}),
                         [](const auto& kind) { return std::string(kind.param.second) + std::to_string(kind.index); });

TEST_F(MadeMedia, WhatWasJoinedAndCannotBeHeardIsTold) {
    const auto wav = made("", "a.wav");
    auto broken = made("-c:a aac", "b.m4a");
    std::fill(broken.begin() + 32, broken.end(), 'x');
    auto source = open_media(bytes_of(wav + broken));
    ASSERT_TRUE(source) << source.error().describe();
    EXPECT_NEAR(seconds_of(read_all(**source)->size()).count(), seconds_of(original_.size()).count(), 0.01);
    EXPECT_THAT((*source)->damage(), HasSubstr("what follows from byte"));
}

TEST_F(MadeMedia, ALimitInSecondsHoldsForAllThatWasJoined) {
    const auto wav = made("", "a.wav");
    const auto length = seconds_of(original_.size());
    EXPECT_EQ(error_of(bytes_of(wav + wav + wav), {.max_length = 2.5 * length}), ErrorCode::audio_too_long);
    EXPECT_TRUE(decode(bytes_of(wav + wav + wav), {.max_length = 3.5 * length}));
}

// --- time ---

class Late : public MadeMedia, public ::testing::WithParamInterface<const char*> {};

TEST_P(Late, AudioOfAVideoKeepsItsTime) {
    const auto out = std::string("late.") + GetParam();
    const auto video = made("-itsoffset 4.9 -i '" HOTMIC_SOURCE_DIR
                            "/src/audio/clip/hotmic-clip.flac' -f lavfi -i testsrc=size=64x64:rate=5:duration=9 "
                            "-map 2 -map 1 -c:v mpeg4 -c:a aac",
                            out);
    const auto samples = decode(bytes_of(video));
    ASSERT_TRUE(samples) << samples.error().describe();
    EXPECT_NEAR(first_sound(*samples), 4.9 + first_sound(original_), 0.1);
    EXPECT_NEAR(seconds_of(samples->size()).count(), 4.9 + seconds_of(original_.size()).count(), 0.2);
    EXPECT_EQ((*open_media(bytes_of(video)))->damage(), "");
}

INSTANTIATE_TEST_SUITE_P(Kinds, Late, ::testing::Values("mkv", "mp4", "ts"),
                         [](const auto& kind) { return std::string(kind.param); });

class Short : public MadeMedia, public ::testing::WithParamInterface<const char*> {};

TEST_P(Short, ARecordingLastsAsLongAsItsVideo) {
    const auto video = made("-f lavfi -i testsrc=size=64x64:rate=5:duration=20 -map 1 -map 0 -c:v mpeg4 -c:a aac",
                            std::string("short.") + GetParam());
    auto source = open_media(bytes_of(video));
    ASSERT_TRUE(source) << source.error().describe();
    const auto samples = read_all(**source).value();
    EXPECT_NEAR(seconds_of(samples.size()).count(), 20, 0.3);
    EXPECT_NEAR(first_sound(samples), first_sound(original_), 0.1);
    EXPECT_LT(rms(AudioView(samples).last(5 * kSampleRate)), 1e-3);
    EXPECT_EQ((*source)->damage(), "");
}

INSTANTIATE_TEST_SUITE_P(Kinds, Short, ::testing::Values("mkv", "mp4", "avi", "ts"),
                         [](const auto& kind) { return std::string(kind.param); });

class Paused : public MadeMedia, public ::testing::WithParamInterface<std::pair<const char*, const char*>> {};

TEST_P(Paused, ALongGapIsTimeThatPassed) {
    // Two minutes pass after the second second.
    const auto out = std::string("paused.") + GetParam().second;
    const auto media = made(std::string(GetParam().first) +
                                " -bsf:a 'setts=pts=PTS+gte(PTS*TB\\,2)*120/TB:"
                                "dts=DTS+gte(DTS*TB\\,2)*120/TB'",
                            out);
    auto source = open_media(bytes_of(media));
    ASSERT_TRUE(source) << source.error().describe();
    const auto samples = read_all(**source).value();
    EXPECT_NEAR(seconds_of(samples.size()).count(), 120 + seconds_of(original_.size()).count(), 0.3);
    EXPECT_LT(rms(AudioView(samples).subspan(3 * kSampleRate, 110 * kSampleRate)), 1e-3);
    EXPECT_GT(rms(AudioView(samples).last(kSampleRate)), 0.3 * rms(AudioView(original_).last(kSampleRate)));
    EXPECT_THAT((*source)->damage(), HasSubstr("silent instead"));
    EXPECT_EQ(error_of(bytes_of(media), {.max_length = Seconds(60)}), ErrorCode::audio_too_long);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Paused,
                         ::testing::Values(std::pair{"-c:a libopus", "webm"}, std::pair{"-c:a aac", "m4a"}),
                         [](const auto& kind) { return std::string(kind.param.second); });

// --- tracks ---

/// The clip in one track and a tone in another.
class TwoTracks : public MadeMedia {
protected:
    std::string two(const std::string& more, const std::string& name) const {
        return made("-f lavfi -i sine=frequency=440:sample_rate=16000 -shortest -c:a aac -map 1 -map 0 " + more, name);
    }
    double likeness_to_speech(const std::string& media, const std::string& language = {}) const {
        const auto samples = decode_choice(media, {.language = language});
        return samples ? likeness(original_, *samples) : -1;
    }
};

TEST_F(TwoTracks, TheLanguageThatIsAskedForIsTaken) {
    for (const auto* name : {"two.mkv", "two.mp4", "two.ts"}) {
        const auto media = two("-metadata:s:a:0 language=eng -metadata:s:a:1 language=ger", name);
        EXPECT_GT(likeness_to_speech(media, "de"), 0.9) << name;
        EXPECT_GT(likeness_to_speech(media, "German"), 0.9) << name;
        EXPECT_LT(likeness_to_speech(media, "en"), 0.5) << name;
        EXPECT_LT(likeness_to_speech(media, "fr"), 0.5) << name << ": none is French, so the first";
        const auto track = (*open_media(bytes_of(media), {}, {.language = "de"}))->track();
        ASSERT_TRUE(track);
        EXPECT_EQ(track->number, 2);
        EXPECT_EQ(track->of, 2);
        EXPECT_THAT(track->language, ::testing::AnyOf("ger", "deu"));
    }
}

TEST_F(TwoTracks, WithoutALanguageTheDefaultIsTakenElseTheFirst) {
    EXPECT_GT(likeness_to_speech(two("-disposition:a:0 0 -disposition:a:1 default", "two.mkv")), 0.9);
    EXPECT_LT(likeness_to_speech(two("-disposition:a:0 0 -disposition:a:1 0", "two.mkv")), 0.5);
}

TEST_F(MadeMedia, ASilentTrackBesideOneWithSpeechIsPassedOver) {
    const auto media = made(
        "-f lavfi -i anullsrc=r=16000:cl=mono -shortest -c:a aac -map 1 -map 0 "
        "-disposition:a:0 default -disposition:a:1 0",
        "two.mkv");
    auto source = open_media(bytes_of(media));
    ASSERT_TRUE(source) << source.error().describe();
    EXPECT_EQ((*source)->track()->number, 2);
    EXPECT_GT(likeness(original_, *read_all(**source)), 0.9);
}

TEST_F(MadeMedia, ASilentTrackThatWasTakenIsTold) {
    const auto media = made(
        "-f lavfi -i anullsrc=r=16000:cl=mono -f lavfi -i anullsrc=r=16000:cl=mono -t 3 "
        "-c:a aac -map 1 -map 2",
        "silent.mkv");
    auto source = open_media(bytes_of(media));
    ASSERT_TRUE(source) << source.error().describe();
    EXPECT_TRUE(read_all(**source));
    EXPECT_THAT((*source)->damage(), HasSubstr("track 1 of 2 is silent"));
}

// --- nothing ---

TEST_F(MadeMedia, AHeaderWithoutAudioSaysSo) {
    for (const auto* name : {"a.webm", "a.ogg"}) {
        const auto whole = made("-c:a libopus -f " + std::string(name).substr(2), name);
        // What a recorder has written before the first audio: up to the first cluster, the two header pages.
        const auto cut =
            std::string(name) == "a.webm" ? whole.find("\x1F\x43\xB6\x75") : whole.find("OggS", whole.find("OpusTags"));
        ASSERT_NE(cut, std::string::npos);
        const auto samples = decode(bytes_of(whole.substr(0, cut)));
        ASSERT_FALSE(samples) << name;
        EXPECT_EQ(samples.error().code, ErrorCode::audio_empty) << name << ": " << samples.error().describe();
        EXPECT_THAT(samples.error().message, HasSubstr("no audio")) << name;
    }
    const auto wav = made("-bitexact", "a.wav").substr(0, 44);
    const auto samples = decode(bytes_of(wav));
    ASSERT_FALSE(samples);
    EXPECT_EQ(samples.error().code, ErrorCode::audio_empty) << samples.error().describe();
}

}  // namespace
}  // namespace hotmic
