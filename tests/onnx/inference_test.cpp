/// What a request gets from a slot.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <thread>

#include "asr/formats.hpp"
#include "asr/providers/onnx/provider.hpp"
#include "asr/providers/onnx/whisper/source.hpp"
#include "hotmic/audio.hpp"
#include "support/whisper_test_model.hpp"

namespace hotmic::onnx {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Key;

const fs::path kNumbers = HOTMIC_SOURCE_DIR "/models/numbers";
const fs::path kSpeech = HOTMIC_SOURCE_DIR "/../shared/speech";
const fs::path kRealModels = HOTMIC_SOURCE_DIR "/../shared/models/whisper";

std::vector<float> audio_of(const fs::path& path) {
    auto source = open_media_file(path);
    return read_all(**source).value();
}

std::vector<float> joined(std::initializer_list<std::vector<float>> parts) {
    std::vector<float> all;
    for (const auto& part : parts) all.append_range(part);
    return all;
}
std::vector<float> silence(double seconds) {
    return std::vector<float>(static_cast<std::size_t>(seconds * kSampleRate), 0.0F);
}

class OnnxInference : public ::testing::Test {
protected:
    void load(const ModelSpec& spec) {
        auto loaded = provider_->load(spec, progress_, {});
        ASSERT_TRUE(loaded) << loaded.error().describe();
        model_ = *std::move(loaded);
        recognizer_ = model_->make_recognizer().value();
    }
    void load_numbers() {
        load({.provider = "onnx", .path = kNumbers / "hotmic-numbers.en-q5_0.bin", .slots = 2, .threads = 1});
    }
    Result<Transcript> hear(AudioView audio, const TranscribeOptions& options = {}, std::stop_token stop = {}) {
        return recognizer_->transcribe(audio, options, {}, std::move(stop));
    }

    const std::shared_ptr<Provider> provider_ = make_provider();
    const std::vector<float> clip_ = audio_of(kNumbers / "clip.wav");
    const std::string text_ = "seven hundred and forty two";
    LoadProgress progress_;
    std::unique_ptr<Model> model_;
    std::unique_ptr<Recognizer> recognizer_;
};

TEST_F(OnnxInference, TheSameAudioIsHeardTheSameEachTime) {
    load_numbers();
    const auto first = hear(clip_, {.word_timestamps = true}).value();
    EXPECT_EQ(first.text, text_);
    (void)hear(silence(3)).value();
    (void)hear(joined({clip_, clip_, clip_}), {.temperature = 0.8}).value();
    const auto again = hear(clip_, {.word_timestamps = true}).value();
    ASSERT_EQ(again.segments.size(), first.segments.size());
    for (std::size_t i = 0; i < first.segments.size(); ++i) {
        EXPECT_EQ(again.segments[i].tokens, first.segments[i].tokens);
        EXPECT_EQ(again.segments[i].avg_logprob, first.segments[i].avg_logprob);
    }
}

TEST_F(OnnxInference, ATextDoesNotDependOnItsNeighbours) {
    load_numbers();
    auto other = model_->make_recognizer().value();
    const auto alone = hear(clip_).value();
    const auto loud = [&] {
        auto made = clip_;
        for (auto& sample : made) sample = std::clamp(sample * 20, -1.0F, 1.0F);
        return made;
    }();
    std::jthread beside([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) (void)other->transcribe(loud, {}, {}, {});
    });
    for (int i = 0; i < 5; ++i) {
        const auto together = hear(clip_).value();
        EXPECT_EQ(together.text, alone.text);
        EXPECT_EQ(together.segments.front().avg_logprob, alone.segments.front().avg_logprob) << "to the last bit";
    }
}

TEST_F(OnnxInference, SamplingRepeatsItselfToo) {
    load_numbers();
    const TranscribeOptions options{.temperature = 0.6, .temperature_fallback = false, .best_of = 3};
    EXPECT_EQ(hear(clip_, options)->text, hear(clip_, options)->text);
}

TEST_F(OnnxInference, ABeamHearsWhatGreedyHears) {
    load_numbers();
    for (const int beam : {1, 2, 5}) EXPECT_EQ(hear(clip_, {.beam_size = beam})->text, text_) << beam;
}

TEST_F(OnnxInference, ADraftSavesStepsAndChangesNothing) {
    load_numbers();
    const auto plain = hear(clip_).value();
    const auto& tokens = plain.segments.at(0).tokens;
    EXPECT_FALSE(plain.counters.contains("draft_tokens"));
    const auto with = [&](std::vector<std::int32_t> draft) {
        auto heard = hear(clip_, {.draft = std::move(draft)}).value();
        EXPECT_EQ(heard.text, plain.text);
        EXPECT_EQ(heard.segments.at(0).tokens, tokens);
        EXPECT_NEAR(heard.segments.at(0).avg_logprob, plain.segments.at(0).avg_logprob, 0.02)
            << "arithmetic in 8 bits rounds otherwise";
        return heard.counters["draft_tokens"];
    };
    EXPECT_EQ(with(tokens), std::ssize(tokens));
    auto half = tokens;
    half.resize(half.size() / 2);
    EXPECT_EQ(with(half), std::ssize(half));
    auto other = tokens;
    other[2] = other[1];
    EXPECT_EQ(with(other), 2) << "what comes before the first that it would not have found";
    auto longer = tokens;
    longer.append_range(tokens);
    EXPECT_EQ(with(longer), std::ssize(tokens));
    EXPECT_EQ(with({0, 0, 0}), 0);
    EXPECT_EQ(with({tokens[0], -1}), 0) << "no tokens of this model";
    EXPECT_EQ(with({tokens[0], 1 << 30}), 0);
    EXPECT_EQ(hear(clip_, {.beam_size = 2, .draft = tokens})->text, text_);
    EXPECT_EQ(hear(silence(3), {.draft = tokens})->text, "");
}

TEST_F(OnnxInference, WordsLieInOrderWithinTheirSegments) {
    load_numbers();
    const auto heard = hear(joined({clip_, silence(1), clip_}), {.word_timestamps = true}).value();
    Seconds last(0);
    std::string words;
    for (const auto& segment : heard.segments) {
        ASSERT_FALSE(segment.words.empty());
        EXPECT_GE(segment.words.front().start, segment.start);
        EXPECT_LE(segment.words.back().end, segment.end);
        for (const auto& word : segment.words) {
            EXPECT_GE(word.start, last) << word.text;
            EXPECT_GT(word.end, word.start) << word.text;
            EXPECT_GT(word.probability, 0);
            EXPECT_LE(word.probability, 1);
            last = word.end;
            words += (words.empty() ? "" : " ") + word.text;
        }
    }
    EXPECT_EQ(words, heard.text);
}

TEST_F(OnnxInference, NothingSaidIsNoText) {
    load_numbers();
    for (const double seconds : {0.0, 0.05, 0.12, 1.0, 12.0}) {
        const auto heard = hear(silence(seconds));
        ASSERT_TRUE(heard);
        EXPECT_EQ(heard->text, "") << seconds;
        EXPECT_DOUBLE_EQ(heard->duration.count(), seconds_of(silence(seconds).size()).count());
    }
}

TEST_F(OnnxInference, WhatTheEngineDidIsCounted) {
    load_numbers();
    EXPECT_THAT(hear(clip_)->counters, Contains(Key(::testing::StartsWith("window_"))));
}

TEST_F(OnnxInference, ARequestCanBeCancelled) {
    load_numbers();
    std::stop_source stop;
    std::vector<float> audio;
    for (int i = 0; i < 40; ++i) audio.append_range(clip_);
    int segments = 0;
    const auto heard = recognizer_->transcribe(
        audio, {},
        [&](const Segment&) {
            if (++segments == 1) stop.request_stop();
        },
        stop.get_token());
    ASSERT_FALSE(heard);
    EXPECT_EQ(heard.error().code, ErrorCode::cancelled);
    EXPECT_EQ(hear(clip_)->text, text_) << "the slot goes on";
}

TEST_F(OnnxInference, WhatCannotBeAskedForIsRefusedByName) {
    load_numbers();
    const auto refused = [&](const TranscribeOptions& options) { return hear(clip_, options).error(); };
    EXPECT_EQ(refused({.language = "de"}).code, ErrorCode::unsupported_language);
    EXPECT_EQ(refused({.language = "klingon"}).code, ErrorCode::unsupported_language);
    EXPECT_EQ(refused({.languages = {"en", "de"}}).param, "languages");
    EXPECT_EQ(refused({.task = Task::translate}).code, ErrorCode::unsupported_parameter);
    EXPECT_EQ(refused({.temperature = 2}).param, "temperature");
    EXPECT_EQ(refused({.beam_size = 99}).param, "beam_size");
    auto audio = clip_;
    audio[100] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_EQ(hear(audio).error().code, ErrorCode::audio_invalid_samples);
}

TEST_F(OnnxInference, TheLanguageIsDetectedAndTranslated) {
    load({.provider = "onnx", .path = kNumbers / "multilingual/hotmic-numbers-q5_0.bin", .slots = 1, .threads = 1});
    const auto heard = hear(clip_).value();
    EXPECT_EQ(heard.language, "en");
    EXPECT_GT(heard.language_probability, 0.5);
    EXPECT_EQ(heard.text, text_);
    EXPECT_EQ(hear(clip_, {.language = "english"})->language_probability, 0) << "given, not detected";
    EXPECT_EQ(hear(clip_, {.task = Task::translate})->text, text_);
}

TEST_F(OnnxInference, AModelOfLargeV3sShapeIsRun) {
    const auto path = fs::temp_directory_path() / ("hotmic-onnx-v3-" + std::to_string(getpid()) + ".bin");
    testing::write_whisper_model(path, {.multilingual = true, .large_v3 = true});
    load({.provider = "onnx", .path = path, .slots = 1, .threads = 1});
    EXPECT_EQ(hear(clip_, {.language = "yue"})->text, "hello warm world");
    fs::remove(path);
}

/// Real weights and real voices; absent from most checkouts.
class OnnxRealModels : public OnnxInference {
protected:
    void SetUp() override {
        if (!fs::exists(kRealModels)) GTEST_SKIP() << "NO REAL MODELS: " << kRealModels << " is not there";
    }
    void load_real(const std::string& name) { load({.provider = "onnx", .path = kRealModels / name, .slots = 1}); }
};

constexpr const char* kBase = "ggml-base-q8_0.bin";
constexpr const char* kTinyEn = "ggml-tiny.en.bin";

TEST_F(OnnxRealModels, AskWhatYouCanDoForYourCountry) {
    for (const auto* name : {kBase, kTinyEn}) {
        load_real(name);
        EXPECT_THAT(hear(audio_of(kSpeech / "jfk.wav"))->text, HasSubstr("ask what you can do for your country"))
            << name;
    }
}

TEST_F(OnnxRealModels, LongAudioIsHeardWholeWindowByWindow) {
    load_real(kBase);
    constexpr int kTimes = 5;
    std::vector<float> audio;
    for (int i = 0; i < kTimes; ++i) audio.append_range(joined({audio_of(kSpeech / "jfk.wav"), silence(0.5)}));
    std::vector<Segment> told;
    const auto heard =
        recognizer_->transcribe(audio, {.language = "en"}, [&](const Segment& segment) { told.push_back(segment); }, {})
            .value();
    int found = 0;
    for (auto at = heard.text.find("can do for your country"); at != heard.text.npos;
         at = heard.text.find("can do for your country", at + 1))
        ++found;
    EXPECT_EQ(found, kTimes) << heard.text;
    EXPECT_EQ(told.size(), heard.segments.size()) << "each is told as it is found";
    EXPECT_NEAR(heard.segments.back().end.count(), seconds_of(audio.size()).count() - 0.5, 0.7);
}

TEST_F(OnnxRealModels, TheLanguageOfEachClipIsFound) {
    load_real(kBase);
    for (const std::string language : {"de", "es", "fr", "it", "pt", "ja", "ko"}) {
        EXPECT_EQ(hear(audio_of(kSpeech / ("pv-leopard-" + language + ".wav")))->language, language);
    }
}

TEST_F(OnnxRealModels, WordsNextToAPauseHaveTheTimesOfTheSound) {
    load_real(kBase);
    const auto before = audio_of(kSpeech / "azure-weather.wav");
    const auto behind = audio_of(kSpeech / "lj-LJ001-0008.wav");
    const auto first_word = [&](const std::vector<float>& audio, double from) {
        const auto heard = hear(audio, {.language = "en", .word_timestamps = true}).value();
        for (const auto& segment : heard.segments)
            for (const auto& word : segment.words)
                if (word.start >= Seconds(from)) return word.start.count();
        ADD_FAILURE() << heard.text;
        return 0.0;
    };
    const double spoken = seconds_of(before.size()).count();
    const double shift = spoken + 1.5;
    EXPECT_NEAR(first_word(joined({before, silence(1.5), behind}), spoken), shift + first_word(behind, 0), 0.1);
}

TEST_F(OnnxRealModels, TextIsSplitAsTheOriginalSplitsIt) {
    const auto vocabulary = (*open_ggml_source(kRealModels / kBase))->vocabulary().value();
    // openai/whisper, get_tokenizer(True).encode
    EXPECT_THAT(vocabulary.encode("Hello world"), ::testing::ElementsAre(15947, 1002));
    EXPECT_THAT(vocabulary.encode(" "), ::testing::ElementsAre(220));
    EXPECT_THAT(vocabulary.encode(" -"), ::testing::ElementsAre(359));
}

TEST_F(OnnxRealModels, APromptIsNotEchoedOverSilence) {
    load_real(kBase);
    const std::string prompt = "The meeting begins. Good morning everyone, the weather is fine today.";
    EXPECT_THAT(hear(silence(4), {.language = "en", .prompt = prompt})->text, ::testing::Not(HasSubstr("meeting")));
}

TEST_F(OnnxRealModels, AShortWindowHearsWhatTheFullOneHears) {
    load_real(kBase);
    const auto speech = audio_of(kSpeech / "azure-weather.wav");
    const auto heard = hear(speech, {.language = "en"}).value();
    EXPECT_EQ(heard.text, "What's the weather like?");
    EXPECT_THAT(heard.counters, ::testing::Not(Contains(Key("window_30s"))));
}

}  // namespace
}  // namespace hotmic::onnx
