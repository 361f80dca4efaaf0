#include "speech/speech_cutter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "audio/clip.hpp"

namespace hotmic {
namespace {

using std::chrono::milliseconds;

std::vector<float> silence(double seconds) {
    return std::vector<float>(static_cast<std::size_t>(seconds * kSampleRate));
}

/// Four seconds of the built-in clip.
const std::vector<float>& sentence() {
    static const auto clip = audio::clip_of_length(Seconds(4)).value();
    return clip;
}

std::vector<float> joined(std::initializer_list<std::vector<float>> parts) {
    std::vector<float> whole;
    for (const auto& part : parts) whole.insert(whole.end(), part.begin(), part.end());
    return whole;
}

std::vector<AudioWindow> windows_of(const std::vector<float>& audio, const Endpointing& endpointing = {},
                                    Seconds longest = Seconds(30)) {
    const auto source = source_from_view(audio);
    const auto cutter = make_speech_cutter(endpointing, longest).value();
    std::vector<AudioWindow> windows;
    while (auto window = cutter->next(*source, {}).value()) windows.push_back(*std::move(window));
    return windows;
}

TEST(SpeechCutter, EachUtteranceIsAWindowAndSilenceIsNone) {
    const auto audio = joined({silence(3), sentence(), silence(4), sentence(), silence(2)});
    const auto windows = windows_of(audio, {.silence = milliseconds(800)});
    ASSERT_EQ(windows.size(), 2u);
    const double length = seconds_of(sentence().size()).count();
    EXPECT_NEAR(Seconds(windows[0].start).count(), 3, 0.6);
    EXPECT_NEAR(Seconds(windows[1].start).count(), 7 + length, 0.6);
    for (const auto& window : windows) {
        EXPECT_NEAR(seconds_of(window.samples.size()).count(), length, 1);
        EXPECT_TRUE(
            std::ranges::equal(window.samples, std::span(audio).subspan(window.start.count(), window.samples.size())));
    }
}

TEST(SpeechCutter, SilenceAndNothingHaveNoWindows) {
    EXPECT_TRUE(windows_of(silence(20)).empty());
    EXPECT_TRUE(windows_of({}).empty());
}

TEST(SpeechCutter, SpeechThatReachesTheEndIsHeardToTheLastSample) {
    const auto spoken = std::vector(sentence().begin(), sentence().begin() + 2 * kSampleRate + 77);
    const auto windows = windows_of(joined({silence(1), spoken}));
    ASSERT_FALSE(windows.empty());
    EXPECT_EQ(windows.back().start.count() + windows.back().samples.size(), kSampleRate + spoken.size());
}

TEST(SpeechCutter, WhoNeverPausesIsCutWithoutAGap) {
    const auto audio = joined({sentence(), sentence(), sentence()});
    const auto windows = windows_of(audio, {.silence = milliseconds(3000)}, Seconds(4));
    ASSERT_GT(windows.size(), 2u);
    for (std::size_t i = 0; i < windows.size(); ++i) {
        EXPECT_LE(windows[i].samples.size(), 4u * kSampleRate);
        if (i == 0) continue;
        EXPECT_EQ(windows[i].start.count(), windows[i - 1].start.count() + windows[i - 1].samples.size());
    }
}

std::vector<AudioWindow> file_windows_of(const std::vector<float>& audio, std::shared_ptr<const VadModel> model = {}) {
    const auto source = source_from_view(audio);
    const auto cutter = make_file_cutter(std::move(model)).value();
    std::vector<AudioWindow> windows;
    while (auto window = cutter->next(*source, {}).value()) windows.push_back(*std::move(window));
    return windows;
}

std::vector<float> louder(std::vector<float> audio, float factor) {
    for (auto& sample : audio) sample *= factor;
    return audio;
}

TEST(FileCutter, QuietSpeechIsFoundAsLoudSpeechIs) {
    for (const float factor : {1.0F, 0.05F, 0.005F}) {
        const auto windows = file_windows_of(joined({silence(5), louder(sentence(), factor), silence(5)}));
        ASSERT_EQ(windows.size(), 1u) << factor;
        EXPECT_NEAR(Seconds(windows[0].start).count(), 4, 0.6) << factor;
    }
}

TEST(FileCutter, WithoutATrainedDetectorOnlyLongSilenceIsLeftOut) {
    EXPECT_TRUE(file_windows_of(silence(20)).empty());
    EXPECT_TRUE(file_windows_of(silence(2)).empty());
    const auto audio = joined({sentence(), silence(1), sentence(), silence(20), sentence()});
    const auto windows = file_windows_of(audio);
    ASSERT_EQ(windows.size(), 2u);
    EXPECT_LT(seconds_of(windows[0].samples.size()), Seconds(12));
    // A click of a tenth of a second is no utterance, but is heard where it is all there is.
    auto click = silence(1);
    std::fill(click.begin() + 8000, click.begin() + 9600, 0.2F);
    EXPECT_EQ(file_windows_of(click).size(), 1u);
    EXPECT_TRUE(file_windows_of(std::vector<float>(1900, 0.2F)).empty()) << "0.12 s are nothing";
}

TEST(FileCutter, NoWindowIsLongerThanAnEngineTakes) {
    std::vector<float> audio;
    while (audio.size() < 100U * kSampleRate) audio.insert(audio.end(), sentence().begin(), sentence().end());
    std::size_t heard = 0;
    for (const auto& window : file_windows_of(audio)) {
        EXPECT_LE(window.samples.size(), 30u * kSampleRate);
        heard += window.samples.size();
    }
    EXPECT_GT(heard, 95u * kSampleRate);
}

TEST(SpeechCutter, ALongSilenceIsGivenUpWhenNobodyWaitsAnyMore) {
    std::stop_source stop;
    stop.request_stop();
    const auto audio = silence(5);
    const auto window = make_speech_cutter({}).value()->next(*source_from_view(audio), stop.get_token());
    ASSERT_FALSE(window);
    EXPECT_EQ(window.error().code, ErrorCode::cancelled);
}

/// It fails in the middle.
class DamagedSource final : public AudioSource {
public:
    Result<std::size_t> read(std::span<float> out) override {
        if (reads_++ == 40) return fail(ErrorCode::io_error, "the disk failed");
        std::ranges::fill(out, 0.0F);
        return out.size();
    }

private:
    int reads_ = 0;
};

TEST(SpeechCutter, AnErrorOfTheSourceIsPassedOn) {
    DamagedSource source;
    const auto window = make_speech_cutter({}).value()->next(source, {});
    ASSERT_FALSE(window);
    EXPECT_EQ(window.error().code, ErrorCode::io_error);
}

}  // namespace
}  // namespace hotmic
