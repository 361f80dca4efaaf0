/// The traps of libwhisper, each by its name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <unistd.h>
#include <whisper.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <thread>

#include "asr/providers/whisper_cpp/engine.hpp"
#include "asr/providers/whisper_cpp/provider.hpp"
#include "asr/providers/whisper_cpp/recognizer.hpp"
#include "asr/providers/whisper_cpp/text.hpp"
#include "asr/whisper/ggml_file.hpp"
#include "asr/whisper/weight_reader.hpp"
#include "audio/clip.hpp"
#include "lifecycle/warmup_runner.hpp"
#include "support/whisper_test_model.hpp"

namespace hotmic::whisper_cpp {
namespace {

using whisper::read_model_file;

namespace fs = std::filesystem;
using testing::Damage;
using ::testing::HasSubstr;
using testing::WhisperTestModel;

class Traps : public ::testing::Test {
protected:
    void SetUp() override { fs::create_directories(folder_); }
    void TearDown() override { fs::remove_all(folder_); }

    fs::path whole(const WhisperTestModel& model = {}) const {
        testing::write_whisper_model(folder_ / "model.bin", model);
        return folder_ / "model.bin";
    }
    fs::path damaged(Damage damage) const {
        testing::write_damaged_whisper_model(folder_ / "model.bin", damage);
        return folder_ / "model.bin";
    }
    Result<std::unique_ptr<Model>> load(const fs::path& path, std::string sha256 = {}) {
        return provider_->load({.provider = "whisper_cpp", .path = path, .sha256 = std::move(sha256), .threads = 1},
                               progress_, {});
    }
    void expect_refused(const fs::path& path, ErrorCode code, const std::string& says) {
        const auto model = load(path);
        ASSERT_FALSE(model);
        EXPECT_EQ(model.error().code, code) << model.error().message;
        EXPECT_THAT(model.error().message, HasSubstr(says));
        EXPECT_THAT(model.error().message, HasSubstr(path.string()));
        EXPECT_FALSE(model.error().remedy.empty());
        EXPECT_EQ(progress_.snapshot().done, Bytes()) << "refused before reading";
    }
    static std::vector<float> clip() { return audio::clip_of_length(Seconds(2)).value(); }

    const fs::path folder_ = fs::temp_directory_path() / ("hotmic-whisper-" + std::to_string(getpid()));
    std::shared_ptr<Provider> provider_ = make_provider();
    LoadProgress progress_;
};

// ── Files

TEST_F(Traps, TruncationInsideTheLastTensorIsRefusedThoughTheEngineLoadsIt) {
    const auto path = damaged(Damage::cut_in_last_tensor);
    expect_refused(path, ErrorCode::model_truncated, "ends within tensor");
    start_engine();
    const ContextPtr engine(
        whisper_init_from_file_with_params_no_state(path.c_str(), whisper_context_default_params()));
    EXPECT_NE(engine, nullptr) << "when the engine learns to refuse this, the check is one of two";
}

TEST_F(Traps, AFileThatEndsAfterItsVocabularyIsRefused) {
    expect_refused(damaged(Damage::ends_after_vocabulary), ErrorCode::model_truncated, "without a single weight");
}

TEST_F(Traps, AMillionLayersAreRefusedWithoutTryingThem) {
    expect_refused(damaged(Damage::million_layers), ErrorCode::model_corrupt, "n_audio_layer = 1000000");
}

TEST_F(Traps, ATensorOfNoKnownTypeIsRefused) {
    expect_refused(damaged(Damage::bad_tensor_type), ErrorCode::model_corrupt, "unknown type 999");
}

/// Headers that make the engine abort, or compute with other sizes than it has allocated.
TEST_F(Traps, HeadersThatMakeTheEngineAbortAreRefused) {
    struct Case {
        const char* what;
        int field;  // of the header, the magic number being the first
        std::int32_t value;
        ErrorCode code;
        const char* says;
    };
    const auto set = [&](const Case& one) {
        const auto path = whole();
        std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
        file.seekp(4 * one.field);
        file.write(reinterpret_cast<const char*>(&one.value), sizeof one.value);
        return path;
    };
    const Case cases[] = {
        {"q4_K, whose blocks of 256 do not divide rows of 384", 11, 2012, ErrorCode::model_unsupported,
         "blocks of 256"},
        {"blocks of an older version of the format", 11, 1002, ErrorCode::model_unsupported, "version 1"},
        {"no such type", 11, 99, ErrorCode::model_corrupt, "ftype = 99"},
        {"no heads", 4, 0, ErrorCode::model_corrupt, "n_audio_head = 0"},
        {"heads that do not divide the width", 8, 7, ErrorCode::model_corrupt, "n_text_head = 7"},
        {"a decoder of another width", 7, 512, ErrorCode::model_corrupt, "n_text_state = 512"},
        {"negative", 1, -1, ErrorCode::model_corrupt, "n_vocab = -1"},
    };
    for (const auto& one : cases) {
        SCOPED_TRACE(one.what);
        expect_refused(set(one), one.code, one.says);
    }
    // That the check is needed: the engine dies of heads that do not divide the width.
    const auto path = set(cases[4]);
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            start_engine();
            (void)whisper_init_from_file_with_params(path.c_str(), whisper_context_default_params());
        },
        "");
}

TEST_F(Traps, ATokenOfFourGigabytesIsRefused) {
    expect_refused(damaged(Damage::endless_token), ErrorCode::model_corrupt, "token 0 is 4294967295 bytes");
}

TEST_F(Traps, BytesAfterTheLastTensorAreRefused) {
    expect_refused(damaged(Damage::trailing_bytes), ErrorCode::model_corrupt, "follow its last tensor");
}

TEST_F(Traps, OtherFormatsAreToldByName) {
    const auto holding = [&](std::string_view content) {
        std::ofstream(folder_ / "other", std::ios::binary) << content;
        return folder_ / "other";
    };
    expect_refused(holding("GGUF\3\0\0\0"), ErrorCode::model_unsupported, "GGUF");
    expect_refused(holding("PK\3\4...."), ErrorCode::model_unsupported, "PyTorch");
    expect_refused(holding("It was the best of times"), ErrorCode::model_not_recognized, "no ggml magic");
    expect_refused(holding(""), ErrorCode::model_truncated, "is empty");
    expect_refused(holding("lm"), ErrorCode::model_truncated, "before the magic number");
    expect_refused(folder_, ErrorCode::model_not_recognized, "is a folder");
    expect_refused("/dev/null", ErrorCode::model_file_unreadable, "not a regular file");
}

TEST_F(Traps, EveryTruncationOfTheHeadIsRefused) {
    const auto path = whole();
    std::ifstream in(path, std::ios::binary);
    std::string head(80'000, '\0');
    in.read(head.data(), static_cast<std::streamsize>(head.size()));
    for (std::size_t size = 0; size < head.size(); size += size < 200 ? 1 : 997) {
        std::istringstream cut(head.substr(0, size));
        const auto file = read_model_file(cut, size, "cut");
        ASSERT_FALSE(file) << size;
        EXPECT_EQ(file.error().code, ErrorCode::model_truncated) << size << ": " << file.error().message;
    }
}

TEST_F(Traps, RandomDamageToTheHeadIsRefusedOrHarmless) {
    const auto path = whole();
    std::ifstream in(path, std::ios::binary);
    std::string head(900'000, '\0');  // to behind the vocabulary and the first tensors
    in.read(head.data(), static_cast<std::streamsize>(head.size()));
    std::mt19937 random(1);
    for (int round = 0; round < 300; ++round) {
        auto copy = head;
        for (int i = 0; i < 4; ++i) copy[random() % (i < 2 ? 100 : copy.size())] = static_cast<char>(random());
        std::istringstream damaged_in(copy);
        EXPECT_FALSE(read_model_file(damaged_in, copy.size(), "damaged")) << "at the latest, it is cut";
    }
}

TEST_F(Traps, TheDigestIsTakenInTheSamePassAndChecked) {
    const auto path = whole();
    std::ifstream in(path, std::ios::binary);
    std::ostringstream all;
    all << in.rdbuf();
    const auto bytes = all.str();
    std::array<unsigned char, 32> value{};
    EVP_Digest(bytes.data(), bytes.size(), value.data(), nullptr, EVP_sha256(), nullptr);
    std::string expected;
    for (const auto byte : value) expected += std::format("{:02x}", byte);

    const auto model = load(path, expected);
    ASSERT_TRUE(model) << model.error().message;
    EXPECT_EQ((*model)->info().sha256, expected);
    const auto other = load(path, std::string(64, '0'));
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code, ErrorCode::checksum_mismatch);
    EXPECT_THAT(other.error().message, HasSubstr(expected));
}

TEST_F(Traps, RandomWeightsAreFoundByTheirNumbersNotByTheirText) {
    const auto model = load(damaged(Damage::random_weights));
    ASSERT_TRUE(model) << "the file is whole: " << model.error().message;
    const auto recognizer = (*model)->make_recognizer().value();
    const auto transcript = recognizer->transcribe(clip(), {}, {}, {});
    ASSERT_FALSE(transcript);
    EXPECT_EQ(transcript.error().code, ErrorCode::inference_failed);
    EXPECT_THAT(transcript.error().message, HasSubstr("not finite"));
}

// ── Inference

TEST_F(Traps, AStateTheLibraryFreedIsLetGoAndMadeAnew) {
    const auto model = load(whole());
    ASSERT_TRUE(model);
    StatePtr state;
    // The library's word that it has freed the state: freeing it again would crash here, under the address sanitizer at
    // once.
    auto* const freed = reinterpret_cast<whisper_state*>(0x1);
    state.reset(freed);
    const auto outcome = outcome_of(-7, false, state);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, ErrorCode::inference_failed);
    EXPECT_THAT(outcome.error().message, HasSubstr("memory"));
    EXPECT_EQ(state, nullptr);
}

TEST_F(Traps, ReturnCodesMeanWhatTheLibraryMeans) {
    StatePtr none;
    EXPECT_TRUE(outcome_of(0, false, none));
    EXPECT_EQ(outcome_of(0, true, none).error().code, ErrorCode::cancelled) << "a stop before the encoder returns 0";
    EXPECT_EQ(outcome_of(-6, true, none).error().code, ErrorCode::cancelled);
    EXPECT_EQ(outcome_of(-6, false, none).error().code, ErrorCode::inference_failed);
    EXPECT_EQ(outcome_of(-8, true, none).error().code, ErrorCode::cancelled);
}

TEST_F(Traps, ARecognizerRefusesAnotherThread) {
    const auto model = load(whole());
    ASSERT_TRUE(model);
    const auto recognizer = (*model)->make_recognizer().value();
    std::jthread([&] {
        const auto transcript = recognizer->transcribe(clip(), {}, {}, {});
        ASSERT_FALSE(transcript);
        EXPECT_EQ(transcript.error().code, ErrorCode::internal);
    }).join();
    EXPECT_TRUE(recognizer->transcribe(clip(), {}, {}, {}));
}

TEST_F(Traps, StateDoesNotBleedFromOneRequestIntoTheNext) {
    const auto model = load(whole({.multilingual = true}));
    ASSERT_TRUE(model);
    const auto recognizer = (*model)->make_recognizer().value();
    const auto first = recognizer->transcribe(clip(), {}, {}, {}).value();
    ASSERT_TRUE(recognizer->transcribe(clip(),
                                       {.task = Task::translate,
                                        .language = "de",
                                        .prompt = "something else",
                                        .temperature = 0.8,
                                        .best_of = 5,
                                        .word_timestamps = true},
                                       {}, {}));
    const auto again = recognizer->transcribe(clip(), {}, {}, {}).value();
    EXPECT_EQ(again.text, first.text);
    EXPECT_EQ(again.language, first.language);
    EXPECT_TRUE(again.segments.at(0).words.empty());
}

TEST_F(Traps, AMissingLanguageIsDetectedWithItsProbability) {
    const auto model = load(whole({.multilingual = true, .language = "de"}));
    ASSERT_TRUE(model);
    const auto recognizer = (*model)->make_recognizer().value();
    const auto transcript = recognizer->transcribe(clip(), {}, {}, {}).value();
    EXPECT_EQ(transcript.language, "de");
    EXPECT_GT(transcript.language_probability, 0.9);
    const auto given = recognizer->transcribe(clip(), {.language = "german"}, {}, {}).value();
    EXPECT_EQ(given.language, "de");
    EXPECT_EQ(given.language_probability, 0) << "given, not detected";
}

TEST_F(Traps, TranslationIsAnotherTaskOfTheSameModel) {
    const WhisperTestModel shape{.multilingual = true};
    const auto model = load(whole(shape));
    ASSERT_TRUE(model);
    const auto recognizer = (*model)->make_recognizer().value();
    EXPECT_EQ(recognizer->transcribe(clip(), {}, {}, {})->text, testing::text_of(shape.sentence));
    EXPECT_EQ(recognizer->transcribe(clip(), {.task = Task::translate}, {}, {})->text,
              testing::text_of(shape.translation));
}

TEST_F(Traps, AnEnglishOnlyModelRefusesOtherLanguagesAndTranslation) {
    const auto model = load(whole());
    ASSERT_TRUE(model);
    const auto recognizer = (*model)->make_recognizer().value();
    EXPECT_EQ(recognizer->transcribe(clip(), {.language = "de"}, {}, {}).error().code, ErrorCode::unsupported_language);
    EXPECT_EQ(recognizer->transcribe(clip(), {.task = Task::translate}, {}, {}).error().code,
              ErrorCode::unsupported_parameter);
}

TEST_F(Traps, MoreDecodersThanWereWarmedAreRefused) {
    const auto model = load(whole());
    ASSERT_TRUE(model);
    const auto recognizer = (*model)->make_recognizer().value();
    EXPECT_EQ(recognizer->transcribe(clip(), {.beam_size = 6}, {}, {}).error().code, ErrorCode::unsupported_parameter);
    EXPECT_EQ(recognizer->transcribe(clip(), {.best_of = 9}, {}, {}).error().code, ErrorCode::unsupported_parameter);
    EXPECT_TRUE(recognizer->transcribe(clip(), {.beam_size = 5}, {}, {}));
}

TEST_F(Traps, TokensThatEndInsideACharacterBecomeWholeCharacters) {
    // "ü" and "€" cut between tokens, as byte-pair vocabularies do.
    const auto model = load(whole({.sentence = {" gr\xC3", "\xBC\xC3\x9F", "e", " \xE2", "\x82\xAC"}}));
    ASSERT_TRUE(model);
    const auto recognizer = (*model)->make_recognizer().value();
    const auto transcript = recognizer->transcribe(clip(), {.word_timestamps = true}, {}, {}).value();
    EXPECT_EQ(transcript.text,
              "gr\xC3\xBC\xC3\x9F"
              "e \xE2\x82\xAC");
    ASSERT_EQ(transcript.segments.size(), 1u);
    const auto& words = transcript.segments[0].words;
    ASSERT_EQ(words.size(), 2u);
    EXPECT_EQ(words[0].text,
              "gr\xC3\xBC\xC3\x9F"
              "e");
    EXPECT_EQ(words[1].text, "\xE2\x82\xAC");
}

TEST_F(Traps, ABackendThatIsNotThereIsNamedWithThoseThatAre) {
    const auto choice = choose_backend("NoSuchGPU0");
    ASSERT_FALSE(choice);
    EXPECT_EQ(choice.error().code, ErrorCode::provider_unavailable);
    EXPECT_THAT(choice.error().message, HasSubstr("cpu"));
    EXPECT_FALSE(choose_backend("cpu")->use_gpu);
    EXPECT_THAT(choose_backend("cpu")->description, HasSubstr("CPU"));
}

/// Official weights, where somebody has them.
TEST_F(Traps, OfficialWeightsTranscribeSpeech) {
    const char* path = std::getenv("HOTMIC_TEST_WHISPER_MODEL");
    if (path == nullptr)
        GTEST_SKIP() << "set HOTMIC_TEST_WHISPER_MODEL to a ggml-*.bin file to run this with official weights";
    const auto model = load(path);
    ASSERT_TRUE(model) << model.error().message;
    const auto recognizer = (*model)->make_recognizer().value();
    const auto& built_in = audio::builtin_clip();
    const auto transcript = recognizer->transcribe(audio::clip_of_length(built_in.length).value(), {}, {}, {}).value();
    EXPECT_LE(word_error_rate(built_in.text, transcript.text), 0.2) << transcript.text;

    const fs::path speech = HOTMIC_SOURCE_DIR "/../shared/speech/jfk.wav";
    if (!fs::exists(speech))
        GTEST_SKIP() << "the built-in clip passed; " << speech << " is not there to try real speech with";
    const auto source = open_media_file(speech).value();
    const auto spoken = recognizer->transcribe(read_all(*source).value(), {.word_timestamps = true}, {}, {}).value();
    EXPECT_LE(
        word_error_rate(
            "and so my fellow Americans ask not what your country can do for you ask what you can do for your country",
            spoken.text),
        0.1)
        << spoken.text;
}

}  // namespace
}  // namespace hotmic::whisper_cpp
