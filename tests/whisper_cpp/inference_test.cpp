/// What a request gets from a slot.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>
#include <whisper.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <sstream>
#include <thread>

#include "asr/languages.hpp"
#include "asr/providers/whisper_cpp/engine.hpp"
#include "asr/providers/whisper_cpp/provider.hpp"
#include "asr/providers/whisper_cpp/recognizer.hpp"
#include "audio/clip.hpp"
#include "support/whisper_test_model.hpp"

namespace hotmic::whisper_cpp {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::WhisperTestModel;

class Inference : public ::testing::Test {
protected:
    void TearDown() override { fs::remove(path_); }

    ModelSpec spec(const WhisperTestModel& shape = {}) const {
        testing::write_whisper_model(path_, shape);
        return {.provider = "whisper_cpp", .path = path_, .slots = 1, .threads = 1};
    }
    void load(const ModelSpec& wanted) {
        auto model = provider_->load(wanted, progress_, {});
        ASSERT_TRUE(model) << model.error().describe();
        model_ = *std::move(model);
        recognizer_ = model_->make_recognizer().value();
    }
    Result<Transcript> transcribe(const TranscribeOptions& options = {}, std::stop_token stop = {}) {
        return recognizer_->transcribe(clip_, options, {}, std::move(stop));
    }
    void expect_unsupported(const TranscribeOptions& options, const std::string& parameter) {
        const auto transcript = transcribe(options);
        ASSERT_FALSE(transcript) << parameter;
        EXPECT_EQ(transcript.error().code, ErrorCode::unsupported_parameter);
        EXPECT_EQ(transcript.error().param, parameter);
        EXPECT_THAT(transcript.error().message, HasSubstr(parameter));
        EXPECT_FALSE(transcript.error().remedy.empty());
    }

    const fs::path path_ = fs::temp_directory_path() / ("hotmic-inference-" + std::to_string(getpid()) + ".bin");
    const std::shared_ptr<Provider> provider_ = make_provider();
    const std::vector<float> clip_ = audio::clip_of_length(Seconds(2)).value();
    LoadProgress progress_;
    std::unique_ptr<Model> model_;
    std::unique_ptr<Recognizer> recognizer_;
};

TEST_F(Inference, YieldsSegmentsWordsTokensAndTheirNumbers) {
    load(spec({.sentence = {" one", " two", " thr", "ee"}}));
    std::vector<Segment> told;
    const auto transcript =
        recognizer_->transcribe(clip_, {.word_timestamps = true}, [&](const Segment& s) { told.push_back(s); }, {})
            .value();
    EXPECT_EQ(transcript.text, "one two three");
    EXPECT_EQ(transcript.language, "en");
    EXPECT_NEAR(transcript.duration.count(), 2, 1e-9);
    ASSERT_EQ(transcript.segments.size(), 1u);
    const auto& segment = transcript.segments[0];
    EXPECT_EQ(segment.text, " one two three");
    EXPECT_GE(segment.start, Seconds(0));
    EXPECT_LT(segment.start, Seconds(1)) << "with its sound";
    EXPECT_LE(segment.end, Seconds(2.0)) << "the model says 28 s; the audio is shorter";
    EXPECT_GE(segment.tokens.size(), 4u);
    EXPECT_LE(segment.avg_logprob, 0);
    EXPECT_GE(segment.no_speech_prob, 0);
    std::vector<std::string> words;
    Seconds last(0);
    for (const auto& word : segment.words) {
        words.push_back(word.text);
        EXPECT_GE(word.start, last);
        EXPECT_GT(word.end, word.start) << "none is without length";
        EXPECT_LE(word.end, Seconds(2.0));
        EXPECT_GT(word.probability, 0.9);
        last = word.end;
    }
    EXPECT_EQ(segment.start, segment.words.front().start);
    EXPECT_EQ(segment.end, segment.words.back().end);
    EXPECT_THAT(words, ::testing::ElementsAre("one", "two", "three"));
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].text, segment.text);
}

TEST_F(Inference, LanguagesWrittenWithoutSpacesHaveAWordForEveryToken) {
    load(spec({.multilingual = true,
               .sentence = {"\xE4\xBD\xA0", "\xE5\xA5", "\xBD"}}));  // two characters, one in two tokens
    const auto transcript = transcribe({.language = "zh", .word_timestamps = true}).value();
    std::vector<std::string> words;
    for (const auto& word : transcript.segments.at(0).words) words.push_back(word.text);
    EXPECT_THAT(words, ::testing::ElementsAre("\xE4\xBD\xA0", "\xE5\xA5\xBD"));
}

TEST_F(Inference, TextIsAlwaysUtf8) {
    load(spec({.sentence = {" a\xFF", "b\xE2\x82"}}));
    const auto transcript = transcribe({.word_timestamps = true}).value();
    EXPECT_EQ(transcript.text,
              "a\xEF\xBF\xBD"
              "b\xEF\xBF\xBD");
    EXPECT_EQ(transcript.segments.at(0).words.at(0).text, transcript.text);
}

TEST_F(Inference, TheEnginesLanguagesAreOurs) {
    for (int id = 0; id <= whisper_lang_max_id(); ++id) {
        const std::string code = whisper_lang_str(id);
        EXPECT_EQ(language_code(code), code);
        EXPECT_EQ(language_code(whisper_lang_str_full(id)), code) << whisper_lang_str_full(id);
    }
}

TEST_F(Inference, UnknownLanguagesAreRefusedBeforeAnyInference) {
    load(spec({.multilingual = true}));
    for (const auto* language : {"klingon", "xx", "yue"}) {  // a vocabulary of 51865 has no Cantonese
        const auto transcript = transcribe({.language = language});
        ASSERT_FALSE(transcript) << language;
        EXPECT_EQ(transcript.error().code, ErrorCode::unsupported_language);
        EXPECT_EQ(transcript.error().param, "language");
    }
    EXPECT_EQ(transcribe({.language = "French"}).value().language, "fr");
    EXPECT_EQ(transcribe({.languages = {"fr", "klingon"}}).error().param, "languages");
}

TEST_F(Inference, LanguagesAreDetectedAmongThoseThatAreAllowed) {
    load(spec({.multilingual = true}));
    for (const std::string language : {"fr", "ja", "haw"}) {
        const auto heard = transcribe({.languages = {language, "su"}}).value();
        EXPECT_TRUE(heard.language == language || heard.language == "su") << heard.language;
        EXPECT_GE(heard.language_probability, 0.5) << "the likelier of two";
        EXPECT_LE(heard.language_probability, 1);
    }
}

TEST_F(Inference, ATemperatureTheEngineHasNoAnswerToIsRefused) {
    load(spec());
    ASSERT_EQ(transcribe().value().text, "hello warm world");
    // The engine would return what its buffers hold of the request before.
    for (const double temperature : {1.5, -0.1, std::nan("")})
        expect_unsupported({.temperature = temperature}, "temperature");
    EXPECT_EQ(transcribe({.temperature = 1}).value().text, "hello warm world");
}

TEST_F(Inference, MoreDecodersThanTheModelWasWarmedForAreRefused) {
    auto wanted = spec();
    wanted.max_best_of = 2;
    wanted.max_beam_size = 3;
    load(wanted);
    expect_unsupported({.best_of = 3}, "best_of");
    expect_unsupported({.beam_size = 4}, "beam_size");
    expect_unsupported({.beam_size = -1}, "beam_size");
    EXPECT_TRUE(transcribe({.temperature = 0.5, .temperature_fallback = false, .best_of = 2}));
}

TEST_F(Inference, MoreDecodersThanTheEngineHasAreRefusedByTheLoad) {
    auto wanted = spec();
    wanted.max_best_of = 9;
    const auto model = provider_->load(wanted, progress_, {});
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().code, ErrorCode::config_invalid);
    EXPECT_EQ(model.error().param, "max_best_of");
}

TEST_F(Inference, APromptOfAMegabyteNeitherOverflowsNorOverrules) {
    load(spec());
    EXPECT_EQ(transcribe({.prompt = std::string(1 << 20, 'a')}).value().text, "hello warm world");
    std::string words;
    while (words.size() < (1 << 20)) words += " word";
    EXPECT_EQ(transcribe({.prompt = words}).value().text, "hello warm world");
}

TEST_F(Inference, SilenceIsAppendedToShortAudioAndNothingIsMadeOfNone) {
    load(spec());
    EXPECT_EQ(recognizer_->transcribe(AudioView(clip_).first(1600), {}, {}, {}).value().text, "hello warm world")
        << "100 ms";
    const auto none = recognizer_->transcribe(AudioView(clip_).first(1599), {}, {}, {}).value();
    EXPECT_EQ(none.text, "");
    EXPECT_TRUE(none.segments.empty());
    EXPECT_EQ(none.language, "en");
}

TEST_F(Inference, SamplesThatAreNoNumbersAreRefused) {
    load(spec());
    for (const float poison : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
        auto audio = clip_;
        audio[77] = poison;
        const auto transcript = recognizer_->transcribe(audio, {}, {}, {});
        ASSERT_FALSE(transcript);
        EXPECT_EQ(transcript.error().code, ErrorCode::audio_invalid_samples);
        EXPECT_THAT(transcript.error().message, HasSubstr("77"));
    }
}

TEST_F(Inference, CancellingEndsARequestWithinAPassOfTheEncoder) {
    load(spec());
    std::stop_source stop;
    const auto long_audio = audio::clip_of_length(Seconds(110)).value();
    int segments = 0;
    const auto transcript = recognizer_->transcribe(
        long_audio, {},
        [&](const Segment&) {
            ++segments;
            stop.request_stop();
        },
        stop.get_token());
    ASSERT_FALSE(transcript);
    EXPECT_EQ(transcript.error().code, ErrorCode::cancelled);
    EXPECT_EQ(segments, 1) << "of four windows";
    EXPECT_THAT(model_->info().capabilities.cancel_granularity, HasSubstr("encoder"));
    EXPECT_EQ(transcribe().value().text, "hello warm world") << "the slot goes on serving";
}

TEST_F(Inference, AModelThatHardlyMovesOnIsStopped) {
    load(spec({.ends_at = 0.02}));
    const auto transcript = transcribe();
    ASSERT_FALSE(transcript);
    EXPECT_EQ(transcript.error().code, ErrorCode::inference_failed);
    EXPECT_THAT(transcript.error().message, HasSubstr("does not come to an end"));
}

TEST_F(Inference, TwoSlotsAtOnceSayWhatOneSays) {
    auto wanted = spec();
    wanted.slots = 2;
    load(wanted);
    recognizer_.reset();
    std::vector<std::string> texts(4);
    {
        std::vector<std::jthread> slots;
        for (std::size_t i = 0; i < 2; ++i) {
            slots.emplace_back([&, i] {
                const auto slot = model_->make_recognizer().value();
                for (std::size_t k = 0; k < 2; ++k) texts[2 * i + k] = slot->transcribe(clip_, {}, {}, {}).value().text;
            });
        }
    }
    EXPECT_THAT(texts, ::testing::Each("hello warm world"));
}

TEST_F(Inference, TheModelTellsWhatItIsAndWhatToWarm) {
    auto wanted = spec({.multilingual = true});
    wanted.max_beam_size = 4;
    load(wanted);
    const auto& info = model_->info();
    EXPECT_EQ(info.name, "tiny");
    EXPECT_THAT(info.backend, HasSubstr("CPU"));
    EXPECT_EQ(info.sha256.size(), 64u);
    EXPECT_EQ(info.capabilities.languages.size(), 99u);
    std::vector<std::string> cases;
    for (const auto& warmup : info.warmup_cases) {
        cases.push_back(warmup.name);
        EXPECT_TRUE(warmup.name != "beam" || warmup.options.beam_size == 4);
    }
    EXPECT_THAT(cases,
                ::testing::IsSupersetOf({"temperature_fallback", "beam", "word_timestamps", "full_length_prompt"}));
}

TEST_F(Inference, TheEnginesLogComesInWholeLinesWithoutWhatWasSaid) {
    std::ostringstream lines;
    const auto before = spdlog::default_logger();
    const auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(lines);
    const auto logger = std::make_shared<spdlog::logger>("test", sink);
    logger->set_level(spdlog::level::debug);
    logger->set_pattern("%v");
    spdlog::set_default_logger(logger);
    load(spec({.sentence = {" secretword"}}));
    EXPECT_EQ(transcribe({.prompt = "privateprompt"}).value().text, "secretword");
    spdlog::set_default_logger(before);
    EXPECT_THAT(lines.str(), HasSubstr("whisper_cpp: whisper_model_load: n_vocab"));
    EXPECT_THAT(lines.str(), Not(HasSubstr("secretword")));
    EXPECT_THAT(lines.str(), Not(HasSubstr("privateprompt")));
    std::istringstream in(lines.str());
    for (std::string line; std::getline(in, line);) {
        EXPECT_TRUE(line.starts_with("whisper_cpp: ")) << line;
        EXPECT_GT(line.size(), std::string("whisper_cpp: ").size());
    }
}

}  // namespace
}  // namespace hotmic::whisper_cpp
