/// Whisper out of ONNX files, in the layouts of Hugging Face and sherpa-onnx.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <format>
#include <fstream>
#include <map>
#include <random>

#include "asr/providers/onnx/provider.hpp"
#include "asr/providers/onnx/whisper/source.hpp"
#include "hotmic/audio.hpp"
#include "onnx/onnx_test_folder.hpp"

namespace hotmic::onnx {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::OnnxTestFolder;

const fs::path kNumbers = HOTMIC_SOURCE_DIR "/models/numbers";
const fs::path kEnglish = kNumbers / "hotmic-numbers.en-q5_0.bin";
const fs::path kMultilingual = kNumbers / "multilingual/hotmic-numbers-q5_0.bin";

using Tensors = std::map<std::string, std::vector<float>>;

Tensors tensors_of(WhisperSource& source) {
    Tensors all;
    LoadProgress progress;
    const auto read = source.read(
        progress, {}, [&](const std::string& name, const std::vector<std::int64_t>&, std::vector<float> values) {
            all[name] = std::move(values);
            return Result<void>{};
        });
    EXPECT_TRUE(read) << read.error().describe();
    return all;
}

class Layouts : public ::testing::TestWithParam<bool> {
protected:
    void TearDown() override { fs::remove_all(folder_); }

    fs::path made(OnnxTestFolder how = {}, const fs::path& of = kEnglish) {
        fs::remove_all(folder_);
        how.sherpa = GetParam();
        testing::write_onnx_folder(folder_, of, how);
        return folder_;
    }
    std::string heard(const fs::path& path) {
        auto model = provider_->load({.provider = "onnx", .path = path, .slots = 1, .threads = 1}, progress_, {});
        if (!model) return model.error().describe();
        auto source = open_media_file(kNumbers / "clip.wav");
        const auto audio = read_all(**source).value();
        return (*model)->make_recognizer().value()->transcribe(audio, {}, {}, {}).value().text;
    }
    Error refusal(const fs::path& path) {
        const auto info = provider_->inspect({.provider = "onnx", .path = path});
        EXPECT_FALSE(info);
        return info ? Error{} : info.error();
    }
    fs::path file(std::string_view which) {
        return folder_ / (GetParam() ? std::format("test-{}.onnx", which)
                                     : std::format("{}_model{}.onnx", which, which == "decoder" ? "_merged" : ""));
    }

    const fs::path folder_ = fs::temp_directory_path() / ("hotmic-layouts-" + std::to_string(getpid()));
    const std::shared_ptr<Provider> provider_ = make_provider();
    LoadProgress progress_;
};
INSTANTIATE_TEST_SUITE_P(OfBoth, Layouts, ::testing::Bool(),
                         [](const auto& each) { return each.param ? "SherpaOnnx" : "HuggingFace"; });

TEST_P(Layouts, IsHeardWithLikeTheFileItWasMadeOf) {
    const auto text = heard(kEnglish);
    for (const std::string weights : {"f32", "f16", "8-bit"})
        EXPECT_EQ(heard(made({.weights = weights})), text) << weights;
}

TEST_P(Layouts, HasEveryTensorAsExactlyAsItsKindOfWeightSays) {
    const auto original = tensors_of(*open_ggml_source(kEnglish).value());
    struct Kind {
        std::string weights;
        double error;  // of the largest number of a tensor
    };
    for (const auto& [weights, error] :
         {Kind{"f32", 0}, Kind{"f16", 1e-3}, Kind{"8-bit", 0.51 / 127}, Kind{"4-bit", 0.51 / 7}, Kind{"nf4", 0.51}}) {
        const auto source = open_source(made({.weights = weights})).value();
        EXPECT_EQ(source->info().quantization, weights == "nf4" ? "4-bit" : weights);
        const auto read = tensors_of(*source);
        ASSERT_EQ(read.size(), original.size());
        for (const auto& [name, values] : original) {
            const auto& mine = read.at(name);
            ASSERT_EQ(mine.size(), values.size()) << name;
            float largest = 0;
            float difference = 0;
            for (std::size_t i = 0; i < values.size(); ++i) {
                largest = std::max(largest, std::abs(values[i]));
                difference = std::max(difference, std::abs(values[i] - mine[i]));
            }
            EXPECT_LE(difference, largest * error) << name << " " << weights;
        }
    }
}

TEST_P(Layouts, IsExplained) {
    const auto told = provider_->inspect({.provider = "onnx", .path = made({.weights = "8-bit"})}).value();
    EXPECT_THAT(told.format, HasSubstr(GetParam() ? "sherpa-onnx" : "Hugging Face"));
    EXPECT_EQ(told.quantization, "8-bit");
    EXPECT_FALSE(told.multilingual);
    EXPECT_EQ(told.details.at("encoder_file"), file("encoder").filename());
    EXPECT_EQ(told.details.at("decoder_file"), file("decoder").filename());
    const auto original = provider_->inspect({.provider = "onnx", .path = kEnglish}).value();
    EXPECT_EQ(told.kind, original.kind);
    EXPECT_EQ(told.parameters, original.parameters);
}

TEST_P(Layouts, KnowsItsLanguages) {
    const auto told = provider_->inspect({.provider = "onnx", .path = made({}, kMultilingual)}).value();
    EXPECT_EQ(told.languages, provider_->inspect({.provider = "onnx", .path = kMultilingual}).value().languages);
    const auto tokens = open_source(folder_).value()->vocabulary().value();
    const auto original = open_source(kMultilingual).value()->vocabulary().value();
    EXPECT_EQ(tokens.special().languages, original.special().languages);
    EXPECT_EQ(tokens.special().no_timestamps, original.special().no_timestamps);
    EXPECT_EQ(tokens.encode(" one two"), original.encode(" one two"));
}

TEST_P(Layouts, WeightsMayStandInAFileBeside) {
    made({.outside = "weights.data"});
    EXPECT_EQ(heard(folder_), heard(kEnglish));
    fs::resize_file(folder_ / "weights.data", fs::file_size(folder_ / "weights.data") - 1);
    EXPECT_EQ(refusal(folder_).code, ErrorCode::model_truncated);
    fs::remove(folder_ / "weights.data");
    EXPECT_EQ(refusal(folder_).code, ErrorCode::model_file_missing);
}

TEST_P(Layouts, WeightsMayNotStandAnywhereElse) {
    for (const std::string elsewhere : {"../weights.data", "sub/weights.data", ".hidden"}) {
        fs::create_directories(folder_ / "sub");
        made();
        fs::create_directories(folder_ / "sub");
        testing::write_onnx_folder(folder_, kEnglish, {.sherpa = GetParam(), .outside = elsewhere});
        const auto why = refusal(folder_);
        EXPECT_EQ(why.code, ErrorCode::model_corrupt) << elsewhere;
        EXPECT_THAT(why.message, HasSubstr("not beside it"));
        fs::remove(folder_.parent_path() / "weights.data");
    }
}

TEST_P(Layouts, WhatIsMissingIsNamed) {
    made();
    fs::remove(file("decoder"));
    EXPECT_THAT(refusal(folder_).message, HasSubstr("decoder"));
    EXPECT_EQ(refusal(folder_).code, ErrorCode::model_file_missing);
    made({.without = GetParam() ? "sot_prev" : "nothing"});
    if (GetParam())
        EXPECT_THAT(refusal(folder_).message, HasSubstr("sot_prev"));
    else
        fs::remove(folder_ / "tokenizer.json");
    EXPECT_FALSE(provider_->inspect({.provider = "onnx", .path = folder_}));
    const auto why = refusal(made({.without = "decoder.blocks.1.cross_attn.value.weight"}));
    EXPECT_EQ(why.code, ErrorCode::model_unsupported);
    EXPECT_THAT(why.message, HasSubstr("decoder.blocks."));
}

TEST_P(Layouts, GraphsThatDoNotTellTheirMatricesAreRefusedWithWhatWouldDo) {
    const auto why = refusal(made({.named_nodes = false}));
    EXPECT_EQ(why.code, ErrorCode::model_unsupported);
    EXPECT_THAT(why.remedy, HasSubstr("optimum"));
}

TEST_P(Layouts, TheMostExactKindIsTakenOrTheOneThatIsNamed) {
    made({.weights = "8-bit", .suffix = GetParam() ? ".int8" : "_quantized"});
    EXPECT_EQ(open_source(folder_).value()->info().quantization, "8-bit");
    testing::write_onnx_folder(folder_, kEnglish, {.sherpa = GetParam()});
    EXPECT_EQ(open_source(folder_).value()->info().quantization, "f32");
    const auto named = GetParam() ? "test-encoder.int8.onnx" : "decoder_model_merged_quantized.onnx";
    EXPECT_EQ(open_source(folder_ / named).value()->info().quantization, "8-bit");
}

TEST_P(Layouts, ACutFileIsAnErrorWhereverItIsCut) {
    made();
    for (const std::string which : {"encoder", "decoder"}) {
        std::ifstream in(file(which), std::ios::binary);
        const std::string whole{std::istreambuf_iterator<char>(in), {}};
        std::mt19937 random(3);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
        for (int i = 0; i < 20; ++i) {
            const auto length = std::uniform_int_distribution<std::size_t>(0, whole.size() - 20)(random);
            std::ofstream(file(which), std::ios::binary) << whole.substr(0, length);
            const auto why = refusal(folder_);
            EXPECT_TRUE(spec_of(why.code).permanent) << why.message;
            EXPECT_FALSE(why.message.empty());
        }
        std::ofstream(file(which), std::ios::binary) << whole;
    }
    EXPECT_TRUE(provider_->inspect({.provider = "onnx", .path = folder_}));
}

TEST_P(Layouts, DamageIsReadOrRefusedWithAReason) {
    made({.weights = "8-bit"});
    std::ifstream in(file("encoder"), std::ios::binary);
    const std::string whole{std::istreambuf_iterator<char>(in), {}};
    std::mt19937 random(7);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
    for (int i = 0; i < 150; ++i) {
        auto damaged = whole;
        for (int j = 0; j < 3; ++j)
            damaged[std::uniform_int_distribution<std::size_t>(0, 9000)(random)] = static_cast<char>(random());
        std::ofstream(file("encoder"), std::ios::binary) << damaged;
        if (const auto source = open_source(folder_); !source) {
            EXPECT_FALSE(source.error().message.empty());
            EXPECT_TRUE(spec_of(source.error().code).permanent) << source.error().message;
        }
    }
}

TEST(HuggingFaceLayout, MayHaveItsFilesInAFolderOfTheirOwnAndADecoderThatIsNotMerged) {
    const auto folder = fs::temp_directory_path() / ("hotmic-hub-" + std::to_string(getpid()));
    testing::write_onnx_folder(folder / "onnx", kEnglish, {.merged = false});
    fs::rename(folder / "onnx/tokenizer.json", folder / "tokenizer.json");
    std::ofstream(folder / "generation_config.json")
        << R"({"suppress_tokens":[1,2],"begin_suppress_tokens":[220],"alignment_heads":[[3,1]]})";
    const auto source = open_source(folder);
    ASSERT_TRUE(source) << source.error().describe();
    EXPECT_EQ((*source)->info().files.at("decoder_file"), "decoder_model.onnx");
    EXPECT_THAT((*source)->suppressed(), ::testing::ElementsAre(1, 2));
    EXPECT_THAT((*source)->suppressed_at_begin(), ::testing::ElementsAre(220));
    EXPECT_THAT((*source)->alignment_heads(), ::testing::ElementsAre(std::pair(3, 1)));
    EXPECT_TRUE(open_source(folder / "onnx"));
    fs::remove_all(folder);
}

}  // namespace
}  // namespace hotmic::onnx
