/// What a search is given for letters of hot words, and what is taken back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "asr/providers/onnx/transducer/hotword_graph.hpp"

namespace hotmic::onnx {
namespace {

class HotwordGraphTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::ofstream tokens(file_);
        int number = 0;
        for (const auto* piece :
             {"<blk>", "<unk>", "▁A", "DA", "▁ADA", "▁", "L", "O", "VE", "▁LOVE", "S", "'", "你", "好", "▁N", "<0xC3>"})
            tokens << piece << ' ' << number++ << '\n';
        tokens.close();
        pieces_ = Pieces::read(file_).value();
    }
    void TearDown() override { std::filesystem::remove(file_); }

    /// What is given in the end for these pieces, one after the other.
    double given(HotwordGraph& graph, const std::vector<Piece>& said) {
        auto at = HotwordGraph::kRoot;
        double sum = 0;
        for (const auto piece : said) {
            const auto step = graph.steps(at)[static_cast<std::size_t>(piece)];
            sum += step.bonus;
            at = step.to;
        }
        return sum - graph.owed(at);
    }
    HotwordGraph graph(const std::vector<Hotword>& hotwords) { return {hotwords, pieces_}; }

    const std::filesystem::path file_ =
        std::filesystem::temp_directory_path() / ("hotmic-hotwords-" + std::to_string(getpid()));
    Pieces pieces_;
};

TEST_F(HotwordGraphTest, AWordCountsTheSameInWhateverPieces) {
    auto names = graph({{"Ada", 2}});
    EXPECT_NEAR(given(names, {4}), 3, 1e-6) << "a boost is for two letters";
    EXPECT_NEAR(given(names, {2, 3}), 3, 1e-6);
    EXPECT_NEAR(given(names, {5, 4}), 3, 1e-6) << "behind an empty word";
    EXPECT_NEAR(given(names, {4, 9, 4}), 6, 1e-6) << "each time";
}

TEST_F(HotwordGraphTest, WhatIsNotSaidToItsEndGivesNothing) {
    auto names = graph({{"ada love", 2}});
    EXPECT_NEAR(given(names, {4}), 0, 1e-6);
    EXPECT_NEAR(given(names, {4, 6}), 0, 1e-6);
    EXPECT_NEAR(given(names, {4, 9}), 7, 1e-6);
    EXPECT_NEAR(given(names, {4, 4, 9}), 7, 1e-6) << "begun anew in the middle";
    EXPECT_GT(names.steps(names.steps(HotwordGraph::kRoot)[4].to)[9].bonus, 0) << "but on the way it does";
}

TEST_F(HotwordGraphTest, AWordIsNotTheBeginningOfAnother) {
    auto words = graph({{"love", 2}});
    EXPECT_NEAR(given(words, {9}), 4, 1e-6);
    EXPECT_NEAR(given(words, {9, 10}), 0, 1e-6) << "loves";
    EXPECT_NEAR(given(words, {9, 4}), 4, 1e-6);
    EXPECT_NEAR(given(words, {4, 7, 8}), 0, 1e-6) << "nor its end";
}

TEST_F(HotwordGraphTest, ALongerPhraseCountsOnFromAShorterOne) {
    auto names = graph({{"ada", 2}, {"ada love", 4}});
    EXPECT_NEAR(given(names, {4}), 6, 1e-6) << "of two boosts the higher one";
    EXPECT_NEAR(given(names, {4, 9}), 6 + 8, 1e-6);
    EXPECT_NEAR(given(names, {4, 6}), 0, 1e-6);
    EXPECT_NEAR(given(names, {4, 4}), 12, 1e-6);
}

TEST_F(HotwordGraphTest, ScriptsWithoutSpacesAreSpelledAsTheyAre) {
    auto greeting = graph({{"你好", 2}});
    EXPECT_NEAR(given(greeting, {12, 13}), 6, 1e-6);
    EXPECT_NEAR(given(greeting, {12, 12}), 0, 1e-6);
}

TEST_F(HotwordGraphTest, PunctuationIsNoLetterAndWhatTheModelCannotWriteIsCounted) {
    auto names = graph({{"A.D.A.-love", 2}, {"Zürich", 2}, {"...", 1}});
    EXPECT_NEAR(given(names, {4, 9}), 7, 1e-6);
    EXPECT_EQ(names.unwritable(), 2);
    auto possessive = graph({{"love's", 2}});
    EXPECT_NEAR(given(possessive, {9, 11, 10}), 6, 1e-6);
}

}  // namespace
}  // namespace hotmic::onnx
