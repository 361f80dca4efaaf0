/// Media as people have it: every container, codec and habit of recorders.
#include "audio/media_fixture.hpp"

namespace hotmic {
namespace {

struct Kind {
    std::string name;
    std::string arguments;
    double least_likeness = 0.97;
};

class EveryKind : public MadeMedia, public ::testing::WithParamInterface<Kind> {};

TEST_P(EveryKind, DecodesToTheSameSpeech) {
    const auto file = made_file(GetParam().arguments, GetParam().name);
    const auto in_memory = decode(bytes_of(text_of(file)));
    ASSERT_TRUE(in_memory) << in_memory.error().describe();
    EXPECT_NEAR(seconds_of(in_memory->size()).count(), seconds_of(original_.size()).count(), 0.15);
    EXPECT_GT(likeness(original_, *in_memory), GetParam().least_likeness);
    auto source = open_media_file(file);
    ASSERT_TRUE(source) << source.error().describe();
    EXPECT_EQ(read_all(**source)->size(), in_memory->size());
    EXPECT_EQ((*source)->damage(), "");
}

std::string test_name(const ::testing::TestParamInfo<Kind>& kind) {
    auto name = kind.param.name;
    std::ranges::replace(name, '.', '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, EveryKind,
    ::testing::Values(Kind{"s16.wav", ""}, Kind{"f32_48k_stereo.wav", "-ar 48000 -ac 2 -c:a pcm_f32le"},
                      Kind{"f64.wav", "-c:a pcm_f64le"}, Kind{"u8_8k.wav", "-ar 8000 -c:a pcm_u8", 0.85},
                      Kind{"s24_51.wav", "-ac 6 -c:a pcm_s24le"}, Kind{"s24_192k.wav", "-ar 192000 -c:a pcm_s24le"},
                      Kind{"mulaw_8k.wav", "-ar 8000 -c:a pcm_mulaw", 0.85}, Kind{"alaw.wav", "-c:a pcm_alaw"},
                      Kind{"adpcm_ms.wav", "-c:a adpcm_ms"}, Kind{"adpcm_ima.wav", "-c:a adpcm_ima_wav"},
                      Kind{"gsm.wav", "-ar 8000 -c:a libgsm_ms", 0.75}, Kind{"mulaw_8k.au", "-ar 8000", 0.85},
                      Kind{"a.w64", ""}, Kind{"a.aiff", ""}, Kind{"alac.caf", "-c:a alac"}),
    test_name);

INSTANTIATE_TEST_SUITE_P(
    CompressedKinds, EveryKind,
    ::testing::Values(Kind{"a.flac", "-ar 44100"}, Kind{"a.wv", ""}, Kind{"a.tta", ""},
                      Kind{"a.mp3", "-ar 22050 -b:a 64k"}, Kind{"vbr_without_xing.mp3", "-q:a 4 -write_xing 0"},
                      Kind{"a.mp2", "-ar 44100"}, Kind{"a.ac3", ""}, Kind{"a.aac", "-ar 44100"},
                      Kind{"opus.ogg", "-c:a libopus", 0.9}, Kind{"vorbis.ogg", "-c:a libvorbis"},
                      Kind{"speex.ogg", "-c:a libspeex -b:a 28k", 0.7}, Kind{"a.m4a", "-c:a aac -ar 44100"},
                      Kind{"alac.m4a", "-c:a alac"}, Kind{"moov_at_end.mp4", "-c:a aac"},
                      Kind{"fragmented.mp4", "-c:a aac -movflags frag_keyframe+empty_moov -frag_duration 500000"},
                      Kind{"a.3gp", "-c:a aac"}, Kind{"a.mov", "-c:a pcm_s16le"}, Kind{"a.webm", "-c:a libopus", 0.9},
                      Kind{"a.mka", "-c:a flac"}, Kind{"a.wma", "-c:a wmav2 -ar 44100 -b:a 128k", 0.9},
                      Kind{"mp3.avi", "-c:a libmp3lame"}, Kind{"a.flv", "-c:a aac -ar 44100"},
                      Kind{"a.ts", "-c:a aac -ar 44100"}),
    test_name);

TEST_F(MadeMedia, APipedWavOfUnknownLengthIsReadToItsEnd) {
    for (const auto length : {"\xFF\xFF\xFF\xFF", "\x00\x00\x00\x00"}) {
        auto wav = made("-bitexact -c:a pcm_s16le", "s16.wav");
        const auto at = wav.find("data") + 4;
        wav.replace(4, 4, length, 4).replace(at, 4, length, 4);
        const auto samples = decode(bytes_of(wav));
        ASSERT_TRUE(samples) << samples.error().describe();
        EXPECT_EQ(samples->size(), original_.size());
    }
}

TEST_F(MadeMedia, APipedWebmWithoutDurationIsReadToItsEnd) {
    const auto webm = bytes_of(made("-c:a libopus -f webm pipe:1 >", "piped.webm"));
    auto source = open_media(webm);
    ASSERT_TRUE(source) << source.error().describe();
    EXPECT_EQ((*source)->duration_hint(), std::nullopt);
    EXPECT_NEAR(seconds_of(read_all(**source)->size()).count(), seconds_of(original_.size()).count(), 0.1);
    EXPECT_EQ(error_of(webm, {.max_length = Seconds(1)}), ErrorCode::audio_too_long);
}

TEST_F(MadeMedia, ChainedOggIsAllItsLinks) {
    const auto opus = made("-c:a libopus", "opus.ogg");
    const auto vorbis = made("-c:a libvorbis", "vorbis.ogg");
    for (const auto& chain : {opus + opus, vorbis + vorbis}) {
        const auto samples = decode(bytes_of(chain));
        ASSERT_TRUE(samples) << samples.error().describe();
        EXPECT_NEAR(seconds_of(samples->size()).count(), 2 * seconds_of(original_.size()).count(), 0.2);
        const auto second = AudioView(*samples).subspan(samples->size() / 2);
        EXPECT_GT(likeness(original_, second), 0.9);
    }
}

TEST_F(MadeMedia, ChainedOggOfTwoFormatsIsAnErrorAndNotItsFirstHalf) {
    const auto narrow = made("-c:a libvorbis", "narrow.ogg");
    const auto wide = made("-c:a libvorbis -ar 44100 -ac 2", "wide.ogg");
    const auto samples = decode(bytes_of(narrow + wide));
    ASSERT_FALSE(samples);
    EXPECT_EQ(samples.error().code, ErrorCode::audio_undecodable);
    EXPECT_THAT(samples.error().message, HasSubstr("format changes"));
}

TEST_F(MadeMedia, OfTwoAudioTracksTheDefaultIsTaken) {
    const std::string silence = "-f lavfi -i anullsrc=r=16000:cl=mono -shortest -c:a aac ";
    for (const auto* arguments : {"-map 1 -map 0 -disposition:a:0 0 -disposition:a:1 default",
                                  "-map 0 -map 1 -disposition:a:0 default -disposition:a:1 0"}) {
        const auto samples = decode(bytes_of(made(silence + arguments, "two.mkv")));
        ASSERT_TRUE(samples) << samples.error().describe();
        EXPECT_GT(likeness(original_, *samples), 0.95) << arguments;
    }
}

TEST_F(MadeMedia, CoverArtIsNoReasonToRefuse) {
    const std::string cover =
        "-f lavfi -i testsrc=size=640x640:duration=0.04 -map 0 -map 1 -disposition:v attached_pic ";
    for (const auto* name : {"cover.mp3", "cover.m4a", "cover.flac"}) {
        const auto samples = decode(bytes_of(made(cover + "-c:v mjpeg", name)));
        ASSERT_TRUE(samples) << name << ": " << samples.error().describe();
        EXPECT_NEAR(seconds_of(samples->size()).count(), seconds_of(original_.size()).count(), 0.1) << name;
    }
}

TEST_F(MadeMedia, AVideoIsItsSound) {
    const auto samples =
        decode(bytes_of(made("-f lavfi -i testsrc=size=64x64:rate=5 -shortest -c:v mjpeg -c:a aac", "video.mp4")));
    ASSERT_TRUE(samples) << samples.error().describe();
    EXPECT_GT(likeness(original_, *samples), 0.95);
}

TEST_F(MadeMedia, AVideoWithoutSoundHasNoTrack) {
    const auto video = made("-an -f lavfi -i testsrc=size=64x64:rate=5:duration=1 -map 1 -c:v mjpeg", "silent.mp4");
    EXPECT_EQ(error_of(bytes_of(video)), ErrorCode::audio_no_track);
}

TEST_F(MadeMedia, ChannelsAreMixedNotAdded) {
    const auto stereo = decode(bytes_of(made("-ac 2", "stereo.wav")));
    ASSERT_TRUE(stereo);
    EXPECT_NEAR(rms(*stereo) / rms(original_), 1.0, 0.05);
    // Speech in the centre of an extensible WAV with six channels, as from a film.
    const auto film = made("-af 'pan=5.1|FC=c0' -c:a pcm_s16le", "centre.wav");
    const auto centre = decode(bytes_of(film));
    ASSERT_TRUE(centre) << centre.error().describe();
    EXPECT_GT(likeness(original_, *centre), 0.97);
    EXPECT_GT(rms(*centre) / rms(original_), 0.25);
    EXPECT_LT(rms(*centre) / rms(original_), 1.05);
}

TEST_F(MadeMedia, SamplesThatAreNoNumbersAreRefused) {
    auto wav = made("-c:a pcm_f32le", "float.wav");
    const float nan = std::nanf("");
    std::copy_n(reinterpret_cast<const char*>(&nan), sizeof nan, wav.end() - 4000);
    EXPECT_EQ(error_of(bytes_of(wav)), ErrorCode::audio_invalid_samples);
}

TEST_F(Media, ALimitInSecondsHolds) {
    EXPECT_EQ(error_of(audio::builtin_clip().encoded, {.max_length = Seconds(1)}), ErrorCode::audio_too_long);
    EXPECT_TRUE(decode(audio::builtin_clip().encoded, {.max_length = Seconds(10)}));
}

TEST_F(MadeMedia, ALimitInSecondsHoldsWhereNoLengthIsTold) {
    for (const auto* name : {"long.mp3", "long.aac", "long.ts"}) {
        const auto media = bytes_of(made("-ar 44100 -write_xing 0", name));
        EXPECT_EQ(error_of(media, {.max_length = Seconds(2)}), ErrorCode::audio_too_long) << name;
        EXPECT_TRUE(decode(media, {.max_length = Seconds(10)})) << name;
    }
}

TEST_F(Media, NothingIsEmpty) {
    EXPECT_EQ(error_of(bytes_of("")), ErrorCode::audio_empty);
    EXPECT_EQ(error_of(audio::encode_wav({})), ErrorCode::audio_empty);
}

TEST_F(Media, AMissingFileIsNamed) {
    const auto source = open_media_file("/nonexistent/song.mp3");
    ASSERT_FALSE(source);
    EXPECT_EQ(source.error().code, ErrorCode::io_error);
    EXPECT_THAT(source.error().message, HasSubstr("/nonexistent/song.mp3"));
    EXPECT_FALSE(open_media_file(folder_));
}

}  // namespace
}  // namespace hotmic
