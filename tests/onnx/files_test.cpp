/// What the provider reads, and what it refuses before it takes memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "asr/providers/onnx/provider.hpp"
#include "asr/providers/onnx/whisper/ggml_writer.hpp"
#include "asr/whisper/ctranslate2_folder.hpp"
#include "asr/whisper/ggml_file.hpp"
#include "hotmic/audio.hpp"
#include "onnx/ct2_test_folder.hpp"
#include "support/whisper_test_model.hpp"

namespace hotmic::onnx {
namespace {

namespace fs = std::filesystem;
using testing::Ct2TestFolder;
using ::testing::HasSubstr;

const fs::path kNumbers = HOTMIC_SOURCE_DIR "/models/numbers";
const fs::path kEnglish = kNumbers / "hotmic-numbers.en-q5_0.bin";

class Files : public ::testing::Test {
protected:
    void SetUp() override { fs::create_directories(folder_); }
    void TearDown() override { fs::remove_all(folder_); }

    std::string heard(const fs::path& path, const std::string& quantize = "int8") {
        auto model = provider_->load({.provider = "onnx", .path = path, .slots = 1, .threads = 1, .quantize = quantize},
                                     progress_, {});
        if (!model) return model.error().describe();
        auto source = open_media_file(kNumbers / "clip.wav");
        const auto audio = read_all(**source).value();
        return (*model)->make_recognizer().value()->transcribe(audio, {}, {}, {}).value().text;
    }
    static std::string clip_text() {
        std::string text;
        std::ifstream in(kNumbers / "clip.txt");
        std::getline(in, text);
        return text;
    }
    void expect_refused(const fs::path& path, ErrorCode code, const std::string& says) {
        const auto info = provider_->inspect({.provider = "onnx", .path = path});
        ASSERT_FALSE(info) << says;
        EXPECT_EQ(info.error().code, code) << info.error().message;
        EXPECT_THAT(info.error().message, HasSubstr(says));
        EXPECT_FALSE(info.error().remedy.empty());
    }
    fs::path ct2(const Ct2TestFolder& how = {}) {
        testing::write_ct2_folder(folder_ / "ct2", kEnglish, how);
        return folder_ / "ct2";
    }

    const fs::path folder_ = fs::temp_directory_path() / ("hotmic-onnx-" + std::to_string(getpid()));
    const std::shared_ptr<Provider> provider_ = make_provider();
    LoadProgress progress_;
};

TEST_F(Files, AFileOfWhisperCppIsHeardWith) {
    EXPECT_EQ(heard(kEnglish), clip_text());
    EXPECT_EQ(heard(kEnglish, "none"), clip_text());
}

TEST_F(Files, EveryKindOfWeightOfWhisperCppIsRead) {
    for (const std::string weights : {"f32", "f16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0"}) {
        testing::write_whisper_model(folder_ / "model.bin", {.weights = weights});
        EXPECT_EQ(heard(folder_ / "model.bin"), "hello warm world") << weights;
    }
}

TEST_F(Files, AFolderOfCTranslate2IsHeardWithInEveryKindOfWeight) {
    for (const std::string weights : {"f32", "f16", "int8"}) {
        EXPECT_EQ(heard(ct2({.weights = weights})), clip_text()) << weights;
        fs::remove_all(folder_ / "ct2");
    }
}

TEST_F(Files, AFolderOfCTranslate2BecomesAFileOfWhisperCppThatHearsTheSame) {
    for (const std::string weights : {"f32", "f16", "int8"}) {
        const auto folder = ct2({.weights = weights});
        const auto made = folder_ / "made.bin";
        const auto source = open_source(folder).value();
        const auto written = write_ggml(*source, made, progress_, {});
        ASSERT_TRUE(written) << written.error().describe();
        EXPECT_EQ(whisper::read_model_file(made).value().header.quantization(), "f16");
        EXPECT_EQ(heard(made), heard(folder)) << weights;
        EXPECT_EQ(heard(made), clip_text()) << weights;
        fs::remove_all(folder);
    }
}

TEST_F(Files, AFolderThatLacksATensorBecomesNoFile) {
    const auto source = open_source(ct2({.without = "decoder/layer_0/ffn/linear_0/bias"})).value();
    const auto written = write_ggml(*source, folder_ / "made.bin", progress_, {});
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, ErrorCode::model_corrupt);
    EXPECT_FALSE(fs::exists(folder_ / "made.bin"));
    EXPECT_FALSE(fs::exists(folder_ / "made.bin.new"));
}

TEST_F(Files, TheMultilingualModelIsReadFromBothFormats) {
    const auto ggml = kNumbers / "multilingual/hotmic-numbers-q5_0.bin";
    testing::write_ct2_folder(folder_ / "ct2", ggml);
    for (const auto& path : {ggml, folder_ / "ct2"}) {
        const auto info = provider_->inspect({.provider = "onnx", .path = path});
        ASSERT_TRUE(info) << info.error().describe();
        EXPECT_TRUE(info->multilingual);
        EXPECT_EQ(info->languages.size(), 99u);
        EXPECT_EQ(heard(path), clip_text());
    }
}

TEST_F(Files, WhatIsNoModelIsSaidSo) {
    expect_refused(folder_ / "nothing", ErrorCode::model_file_missing, "nothing");
    expect_refused(HOTMIC_SOURCE_DIR "/README.md", ErrorCode::model_not_recognized, "README.md");
    expect_refused(folder_, ErrorCode::model_not_recognized, folder_.string());
}

TEST_F(Files, AFolderThatLacksSomethingNamesIt) {
    expect_refused(ct2({.tokenizer = false}), ErrorCode::model_file_missing, "tokenizer.json");
    fs::remove_all(folder_ / "ct2");
    fs::remove(ct2() / "config.json");
    expect_refused(folder_ / "ct2", ErrorCode::model_file_missing, "config.json");
    fs::remove_all(folder_ / "ct2");
    expect_refused(ct2({.specification = "TransformerSpec"}), ErrorCode::model_unsupported, "TransformerSpec");
    fs::remove_all(folder_ / "ct2");
    expect_refused(ct2({.version = 7}), ErrorCode::model_unsupported, "version 7");
    fs::remove_all(folder_ / "ct2");
    const auto model = provider_->load(
        {.provider = "onnx", .path = ct2({.without = "decoder/layer_0/ffn/linear_1/bias"})}, progress_, {});
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().code, ErrorCode::model_corrupt);
    EXPECT_THAT(model.error().message, HasSubstr("decoder.blocks.0.mlp.2.bias"));
}

TEST_F(Files, ACutFolderIsTruncatedWhereverItIsCut) {
    const auto weights = ct2({.weights = "int8"}) / "model.bin";
    std::ifstream in(weights, std::ios::binary);
    const std::string whole{std::istreambuf_iterator<char>(in), {}};
    std::mt19937 random(3);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
    for (int i = 0; i < 60; ++i) {
        const auto length = std::uniform_int_distribution<std::size_t>(0, whole.size() - 1)(random);
        std::ofstream(weights, std::ios::binary) << whole.substr(0, length);
        const auto folder = whisper::read_ct2_folder(folder_ / "ct2");
        ASSERT_FALSE(folder);
        EXPECT_EQ(folder.error().code, ErrorCode::model_truncated) << folder.error().message;
    }
}

TEST_F(Files, DamagedHeadersAreErrorsAndTakeNoMemory) {
    const auto weights = ct2({.weights = "int8"}) / "model.bin";
    std::ifstream in(weights, std::ios::binary);
    const std::string whole{std::istreambuf_iterator<char>(in), {}};
    std::mt19937 random(5);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
    for (int i = 0; i < 200; ++i) {
        auto damaged = whole;
        const auto reach = i % 2 == 0 ? std::size_t{400} : damaged.size() - 1;
        for (int j = 0; j < 4; ++j)
            damaged[std::uniform_int_distribution<std::size_t>(0, reach)(random)] = static_cast<char>(random());
        std::ofstream(weights, std::ios::binary) << damaged;
        if (const auto folder = whisper::read_ct2_folder(folder_ / "ct2"); !folder) {
            EXPECT_FALSE(folder.error().message.empty());
            EXPECT_TRUE(spec_of(folder.error().code).permanent);
        }
    }
}

TEST_F(Files, OneWeightThatIsNoNumberIsFoundBeforeAnybodyHears) {
    testing::write_damaged_whisper_model(folder_ / "model.bin", testing::Damage::random_weights);
    const auto model = provider_->load({.provider = "onnx", .path = folder_ / "model.bin"}, progress_, {});
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().code, ErrorCode::model_corrupt);
    EXPECT_THAT(model.error().message, HasSubstr("not finite"));
}

TEST_F(Files, EveryDamageOfAFileOfWhisperCppIsAnError) {
    using enum testing::Damage;
    for (const auto damage :
         {cut_in_last_tensor, ends_after_vocabulary, million_layers, bad_tensor_type, endless_token, trailing_bytes}) {
        testing::write_damaged_whisper_model(folder_ / "model.bin", damage);
        EXPECT_FALSE(provider_->inspect({.provider = "onnx", .path = folder_ / "model.bin"}))
            << static_cast<int>(damage);
    }
}

TEST_F(Files, TheDigestIsChecked) {
    const auto model =
        provider_->load({.provider = "onnx", .path = kEnglish, .sha256 = std::string(64, '0')}, progress_, {});
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().code, ErrorCode::checksum_mismatch);
}

TEST_F(Files, ALoadCanBeCancelled) {
    std::stop_source stop;
    stop.request_stop();
    const auto model = provider_->load({.provider = "onnx", .path = kEnglish}, progress_, stop.get_token());
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().code, ErrorCode::load_cancelled);
}

TEST_F(Files, SettingsThatCannotBeAreRefused) {
    const auto code_of = [&](const ModelSpec& spec) { return provider_->load(spec, progress_, {}).error().code; };
    EXPECT_EQ(code_of({.provider = "onnx", .path = kEnglish, .quantize = "int3"}), ErrorCode::config_invalid);
    EXPECT_EQ(code_of({.provider = "onnx", .path = kEnglish, .backend = "gpu"}), ErrorCode::provider_unavailable);
    EXPECT_EQ(code_of({.provider = "onnx", .path = kEnglish, .max_beam_size = 9}), ErrorCode::config_invalid);
}

}  // namespace
}  // namespace hotmic::onnx
