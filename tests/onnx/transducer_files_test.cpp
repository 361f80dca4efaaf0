/// Folders of transducers: what is read and what is refused.
#include <fstream>

#include "onnx/transducer_fixture.hpp"

namespace hotmic::onnx {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::sound;
using testing::write_transducer_folder;

TEST_F(Transducer, ItIsDescribed) {
    write_transducer_folder(folder_);
    const auto info = provider_->inspect(spec_of(folder_)).value();
    EXPECT_EQ(info.kind, "streaming transducer zipformer2");
    EXPECT_EQ(info.languages, std::vector<std::string>{"en"});
    EXPECT_EQ(info.details.at("step_ms"), "320");
    EXPECT_EQ(info.details.at("vocabulary"), "13");
    EXPECT_GT(provider_->estimate(spec_of(folder_))->total(), Bytes());
    const auto model = provider_->load(spec_of(folder_), progress_, {}).value();
    EXPECT_TRUE(model->info().capabilities.streaming);
    EXPECT_TRUE(model->info().capabilities.exact_streams);
    EXPECT_EQ(progress_.snapshot().done, progress_.snapshot().total);
}

TEST_F(Transducer, EightBitsAreTakenUnlessFloatsAreAskedFor) {
    write_transducer_folder(folder_);
    write_transducer_folder(folder_, {.suffix = ".int8"});
    const auto files = [&](const std::string& quantize) {
        auto spec = spec_of(folder_);
        spec.quantize = quantize;
        const auto details = provider_->inspect(spec).value().details;
        return details.at("encoder") + " " + details.at("decoder") + " " + details.at("joiner");
    };
    EXPECT_EQ(files(""), "encoder.int8.onnx decoder.onnx joiner.int8.onnx");
    EXPECT_EQ(files("none"), "encoder.onnx decoder.onnx joiner.onnx");
    fs::remove(folder_ / "encoder.onnx");
    auto spec = spec_of(folder_);
    spec.quantize = "none";
    EXPECT_EQ(provider_->inspect(spec).error().code, ErrorCode::config_invalid);
    spec.quantize = "int4";
    EXPECT_EQ(provider_->inspect(spec).error().code, ErrorCode::config_invalid);
}

TEST_F(Transducer, AKindThatIsNotKnownIsNamed) {
    expect_refused({.metadata = {{"model_type", "emformer"}}}, ErrorCode::model_unsupported, "\"emformer\"");
    expect_refused({.metadata = {{"model_type", "-"}}}, ErrorCode::model_corrupt, "\"model_type\"");
    expect_refused({.metadata = {{"feature", "whisper"}}}, ErrorCode::model_unsupported, "whisper features");
}

TEST_F(Transducer, WhatTheMetadataLacksOrMakesUpIsNamed) {
    expect_refused({.metadata = {{"T", "-"}}}, ErrorCode::model_corrupt, "\"T\"");
    expect_refused({.metadata = {{"T", "44"}}}, ErrorCode::model_corrupt, "[1, 44, any]");
    expect_refused({.metadata = {{"decode_chunk_len", "99999999999999"}}}, ErrorCode::model_corrupt,
                   "decode_chunk_len");
    expect_refused({.metadata = {{"decode_chunk_len", "46"}}}, ErrorCode::model_corrupt, "decode_chunk_len");
    expect_refused({.decoder_metadata = {{"context_size", "-"}}}, ErrorCode::model_corrupt, "context_size");
    expect_refused({.decoder_metadata = {{"context_size", "3"}}}, ErrorCode::model_corrupt, "[1, 3]");
    expect_refused({.decoder_metadata = {{"vocab_size", "many"}}}, ErrorCode::model_corrupt, "\"many\"");
    expect_refused({.decoder_metadata = {{"vocab_size", "14"}}}, ErrorCode::model_corrupt, "14");
}

TEST_F(Transducer, ShapesThatCannotBeAreRefused) {
    expect_refused({.bins = 100'000}, ErrorCode::model_corrupt, "100000 features");
    expect_refused({.next_state = {4, 1, 9}}, ErrorCode::model_corrupt, "[4, 1, 9]");
    expect_refused({.next_state = {4, 8}}, ErrorCode::model_corrupt, "[4, 8]");
    expect_refused({.state = {0, 1, 8}}, ErrorCode::model_corrupt, "empty state");
    expect_refused({.state = {1 << 30, 1 << 30, 1 << 30}}, ErrorCode::model_corrupt, "larger than");
}

TEST_F(Transducer, TokensWithGapsAreRefused) {
    const std::string start = "<blk> 0\n<sos/eos> 1\n<unk> 2\n";
    expect_refused({.tokens = start + "A 4\n"}, ErrorCode::model_corrupt, "no piece number 3");
    expect_refused({.tokens = start + "A 3\nB 3\n"}, ErrorCode::model_corrupt, "a second time");
    expect_refused({.tokens = start + "A B\n"}, ErrorCode::model_corrupt, "line 4");
    expect_refused({.tokens = start + "A 4294967296\n"}, ErrorCode::model_corrupt, "4294967296");
    expect_refused({.tokens = start + std::string(5000, 'A') + " 3\n"}, ErrorCode::model_corrupt, "longer");
    expect_refused({.tokens = start}, ErrorCode::model_corrupt, "has 3 pieces");
    write_transducer_folder(folder_);
    fs::remove(folder_ / "tokens.txt");
    expect_folder_refused(ErrorCode::model_file_missing, "tokens.txt");
}

TEST_F(Transducer, APartThatIsMissingCutOrThereTwiceIsNamed) {
    for (const std::string part : {"encoder.onnx", "decoder.onnx"}) {
        write_transducer_folder(folder_);
        fs::remove(folder_ / part);
        expect_folder_refused(ErrorCode::model_file_missing, part.substr(0, 7));
    }
    write_transducer_folder(folder_);
    fs::resize_file(folder_ / "joiner.onnx", fs::file_size(folder_ / "joiner.onnx") - 3);
    expect_folder_refused(ErrorCode::model_truncated, "joiner.onnx");
    write_transducer_folder(folder_);
    fs::resize_file(folder_ / "joiner.onnx", 0);
    expect_folder_refused(ErrorCode::model_truncated, "joiner.onnx");
    write_transducer_folder(folder_);
    std::ofstream(folder_ / "decoder.onnx") << "version https://git-lfs.github.com/spec/v1\n";
    expect_folder_refused(ErrorCode::model_not_recognized, "decoder.onnx");
    write_transducer_folder(folder_);
    fs::copy(folder_ / "encoder.onnx", folder_ / "encoder-2.onnx");
    expect_folder_refused(ErrorCode::model_not_recognized, "encoder-2.onnx");
}

TEST_F(Transducer, NumbersFromOutsideOfTheFolderAreNeverRead) {
    fs::create_directories(folder_);
    std::ofstream(base_ / "secret") << "1234";
    for (const std::string place : {"constant", "attribute", "subgraph", "sparse", "function", "training"}) {
        for (const auto& location :
             {std::string("../secret"), (base_ / "secret").string(), std::string("*/_ORT_MEM_ADDR_/*"),
              std::string("a/../../secret"), std::string("link"), std::string("/etc/passwd"), std::string("..")}) {
            fs::create_directories(folder_);
            fs::create_symlink(base_ / "secret", folder_ / "link");
            expect_refused({.location = location, .place = place}, ErrorCode::model_corrupt, "outside of its folder");
        }
    }
    expect_refused({.location = "weights"}, ErrorCode::model_corrupt, "not there");
    fs::create_directories(folder_);
    std::ofstream(folder_ / "weights") << "1234";
    expect_refused({.location = "weights", .offset = 1}, ErrorCode::model_truncated, "beyond the end");
}

TEST_F(Transducer, NumbersInAFileBesideItAreTaken) {
    fs::create_directories(folder_);
    std::ofstream(folder_ / "weights") << "1234";
    EXPECT_EQ(heard(*load({.location = "weights"})->make_recognizer().value(), sound(2)).text, "A B");
}

TEST_F(Transducer, OperatorsThatNobodyKnowsAreAnError) {
    write_transducer_folder(folder_, {.operation = "Telepathy"});
    const auto model = provider_->load(spec_of(folder_), progress_, {});
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().code, ErrorCode::model_unsupported) << model.error().message;
    EXPECT_THAT(model.error().message, HasSubstr("Telepathy"));
}

TEST_F(Transducer, SettingsThatCannotBeAreRefused) {
    write_transducer_folder(folder_);
    const auto code_of = [&](ModelSpec spec) { return provider_->load(spec, progress_, {}).error().code; };
    auto spec = spec_of(folder_);
    spec.sha256 = std::string(64, '0');
    EXPECT_EQ(code_of(spec), ErrorCode::config_invalid);
    spec = spec_of(folder_);
    spec.backend = "gpu";
    EXPECT_EQ(code_of(spec), ErrorCode::provider_unavailable);
    spec = spec_of(folder_);
    spec.max_beam_size = 17;
    EXPECT_EQ(code_of(spec), ErrorCode::config_invalid);
    std::stop_source stop;
    stop.request_stop();
    EXPECT_EQ(provider_->load(spec_of(folder_), progress_, stop.get_token()).error().code, ErrorCode::load_cancelled);
}

TEST_F(Transducer, TheFoldersNameTellsTheLanguages) {
    const auto languages = [&](const std::string& name) {
        write_transducer_folder(base_ / name);
        return provider_->inspect(spec_of(base_ / name)).value().languages;
    };
    using Codes = std::vector<std::string>;
    EXPECT_EQ(languages("sherpa-onnx-streaming-zipformer-bilingual-zh-en-2023-02-20"), (Codes{"zh", "en"}));
    EXPECT_EQ(languages("sherpa-onnx-streaming-zipformer-korean-2024-06-16"), Codes{"ko"});
    EXPECT_EQ(languages("models--csukuangfj--streaming-zipformer-fr-2023-04-14/snapshots/0123abc"), Codes{"fr"});
    EXPECT_EQ(languages("mine"), Codes{});
}

}  // namespace
}  // namespace hotmic::onnx
