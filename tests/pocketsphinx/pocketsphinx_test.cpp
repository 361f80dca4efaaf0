/// What is particular to the pocketsphinx provider; what all providers share is in tests/conformance.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "asr/providers/pocketsphinx/model_files.hpp"
#include "asr/providers/pocketsphinx/provider.hpp"
#include "audio/clip.hpp"
#include "lifecycle/warmup_runner.hpp"

namespace hotmic::pocketsphinx {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class PocketSphinx : public ::testing::Test {
protected:
    static std::vector<float> clip() { return audio::clip_of_length(audio::builtin_clip().seconds).value(); }

    std::shared_ptr<Provider> provider_ = make_provider();
    LoadProgress progress_;
    std::unique_ptr<Model> model_ =
        provider_->load({.provider = "pocketsphinx", .path = {}, .slots = 1}, progress_, {}).value();
    std::unique_ptr<Recognizer> recognizer_ = model_->make_recognizer().value();
};

TEST_F(PocketSphinx, TheSameAudioGivesTheSameTimesWhateverCameBefore) {
    const auto first = recognizer_->transcribe(clip(), {.word_timestamps = true}, {}, {}).value();
    std::vector<float> loud(2 * kSampleRate);
    for (std::size_t i = 0; i < loud.size(); ++i) loud[i] = i % 160 < 80 ? 0.9F : -0.9F;
    ASSERT_TRUE(recognizer_->transcribe(loud, {}, {}, {}));
    const auto later = recognizer_->transcribe(clip(), {.word_timestamps = true}, {}, {}).value();
    ASSERT_EQ(first.segments.size(), later.segments.size());
    for (std::size_t i = 0; i < first.segments.size(); ++i) {
        EXPECT_EQ(first.segments[i].text, later.segments[i].text);
        EXPECT_DOUBLE_EQ(first.segments[i].start, later.segments[i].start);
        EXPECT_DOUBLE_EQ(first.segments[i].end, later.segments[i].end);
        EXPECT_DOUBLE_EQ(first.segments[i].avg_logprob, later.segments[i].avg_logprob);
    }
}

TEST_F(PocketSphinx, AStreamYieldsStartPartialsFinalsAndStopOnItsOwnClock) {
    const auto speech = clip();
    std::vector<float> audio(kSampleRate);  // a second of silence, speech, two of silence
    audio.insert(audio.end(), speech.begin(), speech.end());
    audio.resize(audio.size() + 2 * kSampleRate);

    std::vector<StreamEvent> events;
    {
        const auto stream = recognizer_->open_stream({}).value();
        const auto add = [&](std::vector<StreamEvent> more) { events.insert(events.end(), more.begin(), more.end()); };
        for (std::size_t at = 0; at < audio.size(); at += 1000) {
            add(stream->feed(AudioView(audio).subspan(at, std::min<std::size_t>(1000, audio.size() - at))).value());
        }
        add(stream->finish().value());
    }
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(events.front().kind, StreamEvent::Kind::speech_started);
    EXPECT_NEAR(events.front().time, 1.0, 0.5);
    EXPECT_EQ(events.back().kind, StreamEvent::Kind::speech_stopped);
    std::string finals;
    int partials = 0;
    for (const auto& event : events) {
        if (event.kind == StreamEvent::Kind::partial) ++partials;
        if (event.kind == StreamEvent::Kind::final) finals += (finals.empty() ? "" : " ") + event.segment.text;
        EXPECT_LE(event.time, seconds_of(audio.size()) + 0.1);
    }
    EXPECT_GT(partials, 2);
    EXPECT_LE(word_error_rate(audio::builtin_clip().text, finals), 0.5) << finals;
}

TEST_F(PocketSphinx, AStreamLeavesNothingBehindForTheNextRequest) {
    const auto before = recognizer_->transcribe(clip(), {}, {}, {}).value().text;
    {
        const auto stream = recognizer_->open_stream({}).value();
        ASSERT_TRUE(stream->feed(clip()));  // and is let go in the middle of an utterance
    }
    EXPECT_EQ(recognizer_->transcribe(clip(), {}, {}, {}).value().text, before);
}

TEST_F(PocketSphinx, SilenceIsAnEmptyTranscript) {
    EXPECT_EQ(recognizer_->transcribe(std::vector<float>(3 * kSampleRate), {}, {}, {}).value().text, "");
}

TEST_F(PocketSphinx, TranslationIsRefusedByName) {
    const auto transcript = recognizer_->transcribe(clip(), {.task = Task::translate}, {}, {});
    ASSERT_FALSE(transcript);
    EXPECT_EQ(transcript.error().code, ErrorCode::unsupported_parameter);
}

/// A copy of the distribution's model, to damage.
class DamagedModel : public ::testing::Test {
protected:
    void SetUp() override {
        const auto files = find_model({});
        ASSERT_TRUE(files) << files.error().describe();
        fs::create_directories(folder_ / "en-us");
        fs::copy(files->acoustic_model, folder_ / "en-us");
        fs::create_symlink(files->language_model, folder_ / "en-us.lm.bin");
        fs::create_symlink(files->dictionary, folder_ / "words.dict");
        ASSERT_TRUE(find_model(folder_)) << "the copy is whole";
    }
    void TearDown() override { fs::remove_all(folder_); }

    void expect(ErrorCode code, const std::string& named) const {
        const auto files = find_model(folder_);
        ASSERT_FALSE(files);
        EXPECT_EQ(files.error().code, code);
        EXPECT_THAT(files.error().message, HasSubstr(named));
        EXPECT_THAT(files.error().remedy, HasSubstr("apt install"));
    }

    const fs::path folder_ = fs::temp_directory_path() / ("hotmic-pocketsphinx-" + std::to_string(getpid()));
};

TEST_F(DamagedModel, WithoutItsLanguageModel) {
    fs::remove(folder_ / "en-us.lm.bin");
    expect(ErrorCode::model_not_recognized, "language model");
}

TEST_F(DamagedModel, WithoutItsDictionary) {
    fs::remove(folder_ / "words.dict");
    expect(ErrorCode::model_not_recognized, "dictionary");
}

TEST_F(DamagedModel, WithoutAParameterFile) {
    fs::remove(folder_ / "en-us/variances");
    expect(ErrorCode::model_file_missing, "variances");
}

TEST_F(DamagedModel, WithAnEmptyFile) {
    fs::resize_file(folder_ / "en-us/means", 0);
    expect(ErrorCode::model_truncated, "means");
}

TEST_F(DamagedModel, WithGarbageForAFile) {
    std::ofstream(folder_ / "en-us/means") << "no Gaussian in here";
    expect(ErrorCode::model_corrupt, "means");
}

}  // namespace
}  // namespace hotmic::pocketsphinx
