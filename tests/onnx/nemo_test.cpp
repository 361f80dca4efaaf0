/// NeMo's transducers: tensors the other way round, a decoder that remembers, several pieces a frame.
#include <thread>

#include "onnx/transducer_fixture.hpp"

namespace hotmic::onnx {
namespace {

using testing::NemoTestFolder;
using testing::sound;
using testing::write_nemo_folder;

class Nemo : public TransducerFixture {
protected:
    Nemo() : TransducerFixture("nemo-en-test") {}

    ModelSpec spec() const { return spec_of(folder_); }
    std::unique_ptr<Model> load(const NemoTestFolder& how = {}) {
        write_nemo_folder(folder_, how);
        return load_folder();
    }
    void expect_refused(const NemoTestFolder& how, ErrorCode code, const std::string& says) {
        write_nemo_folder(folder_, how);
        expect_folder_refused(code, says);
    }
};

TEST_F(Nemo, EveryChunkIsHeardOnceAndInOrder) {
    const auto model = load();
    const auto recognizer = model->make_recognizer().value();
    EXPECT_EQ(heard(*recognizer, sound(1)).text, "A");
    EXPECT_EQ(heard(*recognizer, sound(12)).text, "A B C D E F G H I J A B");
    EXPECT_EQ(heard(*recognizer, sound(3), {.beam_size = 4}).text, "A B C") << "and what came before is forgotten";
    EXPECT_EQ(heard(*recognizer, std::vector<float>(16000)).text, "");
}

TEST_F(Nemo, AFrameMayHaveSeveralPieces) {
    const auto model = load({.pairs = true});
    const auto recognizer = model->make_recognizer().value();
    EXPECT_EQ(heard(*recognizer, sound(3)).text, "A B C D E F");
    EXPECT_EQ(heard(*recognizer, sound(3), {.beam_size = 4}).text, "A B C D E F");
}

TEST_F(Nemo, TheDecoderRemembersFromStepToStep) {
    const auto model = load({.most_words = 5});
    const auto one = model->make_recognizer().value();
    const auto other = model->make_recognizer().value();
    const auto audio = sound(8);
    for (const int beam : {0, 4}) {
        EXPECT_EQ(heard(*one, audio, {.beam_size = beam}).text, "A B C D E");
        std::string text;
        for (std::size_t at = 0; at < audio.size(); at += 10'240) {
            TranscribeOptions options{.beam_size = beam, .step = {.stream = 1, .from = Samples(at)}};
            options.step.last = at + 10'240 == audio.size();
            text = heard(at % 20'480 == 0 ? *one : *other, AudioView(audio).subspan(at, 10'240), options).text;
        }
        EXPECT_EQ(text, "A B C D E") << "on whichever slot, with " << beam << " paths";
    }
}

TEST_F(Nemo, WordsHaveTheTimesOfItsFrames) {
    const auto model = load();
    const auto words =
        heard(*model->make_recognizer().value(), sound(4), {.word_timestamps = true}).segments.at(0).words;
    ASSERT_EQ(words.size(), 4U);
    for (std::size_t i = 0; i < words.size(); ++i)
        EXPECT_NEAR(words[i].end.count(), 0.32 * static_cast<double>(i) + 0.08, 0.05)
            << "the first of four frames of 80 ms";
}

TEST_F(Nemo, StreamsShareRunsAndHearWhatTheyWouldAlone) {
    write_nemo_folder(folder_, {.rows = true});
    const auto model = provider_->load(spec(), progress_, {}).value();
    EXPECT_EQ(provider_->inspect(spec())->details.at("streams_share_runs"), "yes");
    std::vector<std::string> texts(6);
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        threads.emplace_back([&, i] {
            const auto recognizer = model->make_recognizer().value();
            for (int round = 0; round < 20; ++round) texts[i] = heard(*recognizer, sound(1 + static_cast<int>(i))).text;
        });
    }
    threads.clear();
    EXPECT_THAT(texts, ::testing::ElementsAre("A", "A B", "A B C", "A B C D", "A B C D E", "A B C D E F"));
}

TEST_F(Nemo, HotWordsArePreferred) {
    const auto model = load({.pairs = true, .faint = true});
    const auto recognizer = model->make_recognizer().value();
    EXPECT_EQ(heard(*recognizer, sound(2)).text, "A C");
    EXPECT_EQ(heard(*recognizer, sound(2), {.hotwords = {{.phrase = "B", .boost = 9}}}).text, "A B C");
}

TEST_F(Nemo, ItIsDescribed) {
    write_nemo_folder(folder_);
    const auto info = provider_->inspect(spec()).value();
    EXPECT_EQ(info.kind, "streaming transducer nemo");
    EXPECT_EQ(info.details.at("step_ms"), "320");
    EXPECT_EQ(info.details.at("look_ahead_ms"), "90");
    EXPECT_EQ(info.details.at("vocabulary"), "12");
}

TEST_F(Nemo, WhatIsAnotherKindIsNamed) {
    expect_refused({.is_cached = false}, ErrorCode::model_unsupported, "hears audio whole");
    expect_refused({.more = "prompt_index"}, ErrorCode::model_unsupported, "prompt_index");
    expect_refused({.metadata = {{"normalize_type", "per_feature"}}}, ErrorCode::model_unsupported, "per_feature");
}

TEST_F(Nemo, WhatTheMetadataLacksOrMakesUpIsNamed) {
    for (const std::string key : {"window_size", "chunk_shift", "subsampling_factor", "vocab_size", "pred_rnn_layers",
                                  "pred_hidden", "cache_last_channel_dim1", "cache_last_time_dim3"}) {
        expect_refused({.metadata = {{key, "-"}}}, ErrorCode::model_corrupt, "\"" + key + "\"");
        expect_refused({.metadata = {{key, "1e9"}}}, ErrorCode::model_corrupt, "\"1e9\"");
    }
    expect_refused({.metadata = {{"chunk_shift", "42"}}}, ErrorCode::model_corrupt, "chunk_shift");
    expect_refused({.metadata = {{"cache_last_time_dim2", "5"}}}, ErrorCode::model_corrupt, "[1, 2, 5, 2]");
    expect_refused({.metadata = {{"vocab_size", "12"}}}, ErrorCode::model_corrupt, "13 pieces");
}

TEST_F(Nemo, ShapesThatCannotBeAreRefused) {
    expect_refused({.hidden = 5}, ErrorCode::model_corrupt, "[2, 1, 4]");
    expect_refused({.channel_width = 4}, ErrorCode::model_corrupt, "[1, 2, 3, 3]");
    expect_refused({.tokens = "<unk> 0\nA 1\n<blk> 2\n"}, ErrorCode::model_corrupt, "has 3 pieces");
}

}  // namespace
}  // namespace hotmic::onnx
