/// What is particular to the pocketsphinx provider; what all providers share is in tests/conformance.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string_view>

#include "asr/providers/pocketsphinx/decoder.hpp"
#include "asr/providers/pocketsphinx/growing_utterance.hpp"
#include "asr/providers/pocketsphinx/model_files.hpp"
#include "asr/providers/pocketsphinx/provider.hpp"
#include "audio/clip.hpp"
#include "lifecycle/memory_info.hpp"
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

StreamStep step(std::size_t from, bool last = false) {
    return {.stream = 7, .from = from, .last = last};
}

/// What is heard of `audio` as it is fed half a second each time.
std::vector<std::string> grown(Recognizer& recognizer, AudioView audio) {
    constexpr std::size_t kStep = kSampleRate / 2;
    std::vector<std::string> heard;
    for (std::size_t from = 0; from < audio.size(); from += kStep) {
        const auto piece = audio.subspan(from, std::min(kStep, audio.size() - from));
        heard.push_back(recognizer.transcribe(piece, {.step = step(from)}, {}, {}).value().text);
    }
    return heard;
}

std::vector<float> louder(std::vector<float> audio) {
    for (auto& sample : audio) sample = std::clamp(sample * 8, -1.0F, 1.0F);
    return audio;
}

TEST_F(PocketSphinx, AGrowingUtteranceIsHeardWhileItGrowsAndInTheEndLikeTheWhole) {
    const auto heard = grown(*recognizer_, clip());
    const auto half = heard[heard.size() / 2];
    EXPECT_THAT(half, ::testing::Not(::testing::IsEmpty()));
    EXPECT_LT(half.size(), heard.back().size());
    const auto whole = recognizer_->transcribe(clip(), {}, {}, {}).value().text;
    EXPECT_LE(word_error_rate(audio::builtin_clip().text, heard.back()),
              word_error_rate(audio::builtin_clip().text, whole) + 0.1)
        << heard.back();
}

TEST_F(PocketSphinx, AGrowingUtteranceIsNotDecodedAnewEachTime) {
    const auto decoder = make_decoder(find_model({}).value(), tuned_settings()).value();
    const auto pcm = to_pcm16(audio::clip_of_length(15).value());
    GrowingUtterance growing(*decoder);
    constexpr std::size_t kStep = kSampleRate / 2;
    std::uint64_t anew = 0;
    for (std::size_t size = kStep; size <= pcm.size(); size += kStep) {
        ASSERT_TRUE(growing.hear(std::span(pcm).first(size)));
        anew += size;
    }
    EXPECT_LE(growing.decoded(), 4 * pcm.size());
    EXPECT_LT(growing.decoded(), anew / 4);
}

TEST_F(PocketSphinx, MuchOfAGrowingUtteranceMayComeAtOnce) {
    const auto much = audio::clip_of_length(18).value();
    for (const double seconds : {0.14, 0.3, 5.0, 12.0, 3.0}) {
        // A whole recording leaves the engine a queue of just its length.
        const auto whole = std::span(much).subspan(kSampleRate, static_cast<std::size_t>(seconds * kSampleRate));
        ASSERT_TRUE(recognizer_->transcribe(whole, {}, {}, {}));
        ASSERT_TRUE(recognizer_->transcribe(std::span(much).first(kSampleRate), {.step = step(0)}, {}, {}));
        const auto heard =
            recognizer_->transcribe(std::span(much).subspan(kSampleRate), {.step = step(kSampleRate)}, {}, {});
        ASSERT_TRUE(heard);
        EXPECT_GT(heard->text.size(), 100u);
    }
}

TEST_F(PocketSphinx, OneGrowingUtteranceLeavesNothingBehindForTheNext) {
    const auto first = grown(*recognizer_, clip());
    EXPECT_NE(grown(*recognizer_, louder(clip())), std::vector<std::string>(first.size()));
    EXPECT_EQ(grown(*recognizer_, clip()), first);
}

TEST_F(PocketSphinx, AGrowingUtteranceLeavesNothingBehindForTheNextRequest) {
    const auto before = recognizer_->transcribe(clip(), {}, {}, {}).value().text;
    const auto loud = louder(clip());
    (void)grown(*recognizer_, std::span(loud).first(2 * kSampleRate));  // and is never finished
    EXPECT_EQ(recognizer_->transcribe(clip(), {}, {}, {}).value().text, before);
}

TEST_F(PocketSphinx, AnotherRequestInBetweenDoesNoHarmToAGrowingUtterance) {
    const auto speech = clip();
    const auto half = speech.size() / 2;
    std::vector<std::string> texts;
    for (int round = 0; round < 2; ++round) {
        (void)recognizer_->transcribe(std::span(speech).first(half), {.step = step(0)}, {}, {});
        (void)recognizer_->transcribe(louder(clip()), {}, {}, {});
        texts.push_back(
            recognizer_->transcribe(std::span(speech).subspan(half), {.step = step(half)}, {}, {}).value().text);
    }
    EXPECT_EQ(texts[0], texts[1]);
    EXPECT_GT(texts[0].size(), 20u);
}

TEST_F(PocketSphinx, AStreamEndsAsTheWholeIsHeardAndIsThenUnknown) {
    const auto speech = clip();
    const auto half = speech.size() / 2;
    const auto whole = recognizer_->transcribe(clip(), {}, {}, {}).value().text;
    (void)recognizer_->transcribe(std::span(speech).first(half), {.step = step(0)}, {}, {});
    const auto rest = std::span(speech).subspan(half);
    EXPECT_EQ(recognizer_->transcribe(rest, {.step = step(half - 1)}, {}, {}).error().code, ErrorCode::stream_lost);
    EXPECT_EQ(recognizer_->transcribe(rest, {.step = step(half, true)}, {}, {}).value().text, whole);
    EXPECT_EQ(recognizer_->transcribe({}, {.step = step(speech.size())}, {}, {}).error().code, ErrorCode::stream_lost);
}

TEST_F(PocketSphinx, WordsOfAGrowingUtteranceLieWithinIt) {
    auto audio = std::vector<float>(kSampleRate);
    const auto speech = clip();
    audio.insert(audio.end(), speech.begin(), speech.end());
    const auto heard = recognizer_->transcribe(audio, {.word_timestamps = true, .step = step(0)}, {}, {}).value();
    double last = 0.5;
    int words = 0;
    for (const auto& segment : heard.segments) {
        for (const auto& word : segment.words) {
            ++words;
            EXPECT_GE(word.start, last);
            EXPECT_LE(word.end, seconds_of(audio.size()) + 0.1);
            EXPECT_GE(word.probability, 0);
            EXPECT_LE(word.probability, 1);
            last = word.start;
        }
    }
    EXPECT_GT(words, 3);
}

TEST_F(PocketSphinx, AGrowingUtteranceRefusesNumbersThatAreNone) {
    const auto heard = recognizer_->transcribe(std::vector<float>{0.1F, std::numeric_limits<float>::quiet_NaN()},
                                               {.step = step(0)}, {}, {});
    ASSERT_FALSE(heard);
    EXPECT_EQ(heard.error().code, ErrorCode::audio_invalid_samples);
}

TEST_F(PocketSphinx, AMinuteIsHeardToItsEnd) {
    const auto minute = audio::clip_of_length(60).value();
    const auto transcript = recognizer_->transcribe(minute, {.word_timestamps = true}, {}, {}).value();
    double last = 0;
    for (const auto& segment : transcript.segments) {
        for (const auto& word : segment.words) {
            EXPECT_GE(word.start, last);
            last = word.start;
        }
    }
    EXPECT_GT(last, 55);
    EXPECT_LE(last, 60);
    const auto sentence = recognizer_->transcribe(clip(), {}, {}, {}).value();
    const auto in_a_minute = 60 / sentence.duration;
    const auto words = [](const std::string& text) { return static_cast<double>(std::ranges::count(text, ' ') + 1); };
    EXPECT_NEAR(words(transcript.text), in_a_minute * words(sentence.text), 0.2 * in_a_minute * words(sentence.text));
}

TEST_F(PocketSphinx, SilenceIsAnEmptyTranscript) {
    EXPECT_EQ(recognizer_->transcribe(std::vector<float>(3 * kSampleRate), {}, {}, {}).value().text, "");
}

TEST_F(PocketSphinx, EnglishMayBeNamedInAnyWay) {
    for (const auto* name : {"EN", "English"})
        EXPECT_TRUE(recognizer_->transcribe(std::vector<float>(10), {.language = name}, {}, {}));
    const auto german = recognizer_->transcribe(clip(), {.language = "de"}, {}, {});
    ASSERT_FALSE(german);
    EXPECT_EQ(german.error().code, ErrorCode::unsupported_language);
    EXPECT_THAT(german.error().describe(), HasSubstr("language=en"));
    EXPECT_TRUE(recognizer_->transcribe(std::vector<float>(10), {.languages = {"en"}}, {}, {}));
    const auto bilingual = recognizer_->transcribe(clip(), {.languages = {"en", "de"}}, {}, {});
    ASSERT_FALSE(bilingual);
    EXPECT_EQ(bilingual.error().code, ErrorCode::unsupported_language);
    EXPECT_EQ(bilingual.error().param, "languages");
}

TEST_F(PocketSphinx, PromptAndTemperatureChangeNothing) {
    const auto plain = recognizer_->transcribe(clip(), {}, {}, {}).value().text;
    EXPECT_EQ(recognizer_->transcribe(clip(), {.prompt = "zebra", .temperature = 0.8}, {}, {}).value().text, plain);
    EXPECT_FALSE(model_->info().capabilities.prompt);
    EXPECT_FALSE(model_->info().capabilities.temperature);
}

TEST_F(PocketSphinx, WhatItCannotCheckOrUseIsRefused) {
    for (const ModelSpec& spec : {ModelSpec{.provider = "pocketsphinx", .path = {}, .sha256 = std::string(64, 'a')},
                                  ModelSpec{.provider = "pocketsphinx", .path = {}, .backend = "gpu"}}) {
        const auto file = provider_->inspect(spec);
        ASSERT_FALSE(file);
        EXPECT_EQ(file.error().code, ErrorCode::config_invalid);
        EXPECT_FALSE(file.error().param.empty());
    }
}

TEST_F(PocketSphinx, TheHeadersTellWhatTheModelIs) {
    const auto file = provider_->inspect({.provider = "pocketsphinx", .path = {}}).value();
    EXPECT_EQ(file.details.at("senones"), "5126");
    EXPECT_EQ(file.details.at("gaussians"), "42 codebooks of 128 in 39 dimensions");
    EXPECT_THAT(file.details.at("n_grams"), HasSubstr(" + "));
}

TEST(PocketSphinxLoading, IsAskedWhetherToGoOnBeforeTheLanguageModel) {
    int asked = 0;
    const auto decoder = make_decoder(find_model({}).value(), tuned_settings(), [&] { return ++asked > 1; });
    ASSERT_FALSE(decoder);
    EXPECT_EQ(decoder.error().code, ErrorCode::load_cancelled);
    EXPECT_EQ(asked, 1);
}

TEST(PocketSphinxLoading, ASettingThatDoesNotExistIsNamed) {
    for (const auto& setting : Settings{{"nonsense", "1"}, {"maxhmmpf", "many"}}) {
        const auto decoder = make_decoder(find_model({}).value(), {setting});
        ASSERT_FALSE(decoder);
        EXPECT_THAT(decoder.error().message, HasSubstr(setting.first));
    }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they need memory of their own
TEST(PocketSphinxLoading, TheEstimateCoversWhatASlotTakes) {
    const auto provider = make_provider();
    const ModelSpec spec{.provider = "pocketsphinx", .path = {}, .slots = 1};
    trim_heap();
    const auto before = resident_memory();
    LoadProgress progress;
    const auto model = provider->load(spec, progress, {}).value();
    const auto recognizer = model->make_recognizer().value();
    ASSERT_TRUE(recognizer->transcribe(audio::clip_of_length(15).value(), {}, {}, {}));
    const auto taken = resident_memory() - before;
    const auto estimate = provider->estimate(spec).value().total_bytes();
    EXPECT_LE(taken, estimate + (8u << 20));
    EXPECT_GE(taken, estimate / 2);
}
#endif

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

    /// Makes room for a damaged one.
    static fs::path put_aside(const fs::path& file) {
        auto aside = file;
        aside += ".whole";
        fs::rename(file, aside);
        return aside;
    }
    static void overwrite(const fs::path& file, std::streamoff position, std::string_view bytes) {
        std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
        out.seekp(position);
        out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        ASSERT_TRUE(out.good());
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
    for (const auto* name : {"means", "variances", "transition_matrices", "mdef", "sendump"}) {
        const auto whole = put_aside(folder_ / "en-us" / name);
        std::ofstream(folder_ / "en-us" / name) << "no Gaussian in here, nor anything else that anyone could use";
        expect(ErrorCode::model_corrupt, name);
        fs::rename(whole, folder_ / "en-us" / name);
    }
}

TEST_F(DamagedModel, CutAnywhere) {
    for (const auto* name : {"means", "variances", "transition_matrices", "mdef", "sendump"}) {
        const auto file = folder_ / "en-us" / name;
        for (const double share : {0.999, 0.5, 0.02}) {
            const auto whole = put_aside(file);
            fs::copy_file(whole, file);
            fs::resize_file(file, static_cast<std::uintmax_t>(static_cast<double>(fs::file_size(whole)) * share));
            const auto files = find_model(folder_);
            ASSERT_FALSE(files) << name << " cut to " << share;
            EXPECT_THAT(files.error().code, ::testing::AnyOf(ErrorCode::model_truncated, ErrorCode::model_corrupt));
            EXPECT_THAT(files.error().message, HasSubstr(name));
            fs::rename(whole, file);
        }
    }
    ASSERT_TRUE(find_model(folder_)) << "whole again";
}

TEST_F(DamagedModel, WithMoreInItThanItsHeaderSays) {
    std::ofstream(folder_ / "en-us/means", std::ios::app | std::ios::binary) << "more";
    expect(ErrorCode::model_corrupt, "means");
}

TEST_F(DamagedModel, WithAbsurdDimensions) {
    overwrite(folder_ / "en-us/means", 0x2a, "\xff\xff\xff\x7f");  // codebooks
    expect(ErrorCode::model_corrupt, "means");
}

class DamagedLanguageModel : public DamagedModel {
protected:
    void SetUp() override {
        DamagedModel::SetUp();
        const auto original = fs::read_symlink(file_);
        fs::remove(file_);
        fs::copy_file(original, file_);
    }
    const fs::path file_ = folder_ / "en-us.lm.bin";
};

TEST_F(DamagedLanguageModel, CutInItsWords) {
    fs::resize_file(file_, fs::file_size(file_) - 3);
    expect(ErrorCode::model_truncated, "en-us.lm.bin");
}

TEST_F(DamagedLanguageModel, CutInItsNGrams) {
    fs::resize_file(file_, fs::file_size(file_) * 9 / 10);
    expect(ErrorCode::model_truncated, "en-us.lm.bin");
}

TEST_F(DamagedLanguageModel, CutInItsHeader) {
    fs::resize_file(file_, 25);
    expect(ErrorCode::model_truncated, "en-us.lm.bin");
}

TEST_F(DamagedLanguageModel, OfAnAbsurdOrder) {
    overwrite(file_, 19, "\x7f");
    expect(ErrorCode::model_corrupt, "en-us.lm.bin");
}

TEST_F(DamagedLanguageModel, OfMoreNGramsThanItCouldHold) {
    overwrite(file_, 24, "\xff\xff\xff\xff");
    expect(ErrorCode::model_truncated, "en-us.lm.bin");
}

TEST_F(DamagedLanguageModel, ThatIsText) {
    std::ofstream(file_) << "to be or not to be";
    expect(ErrorCode::model_corrupt, "en-us.lm.bin");
}

}  // namespace
}  // namespace hotmic::pocketsphinx
