/// The rules by which tokens are chosen and answers doubted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "asr/providers/onnx/whisper/gates.hpp"
#include "asr/providers/onnx/whisper/rules.hpp"
#include "asr/providers/onnx/whisper/vocabulary.hpp"

namespace hotmic::onnx {
namespace {

using namespace std::string_literals;
using ::testing::ElementsAre;

/// Bytes, and some words; each word's beginnings are tokens too, so that pairs lead to it.
const Vocabulary& vocabulary() {
    static const Vocabulary made = [] {
        std::vector<std::string> pieces;
        for (int byte = 0; byte < 256; ++byte) pieces.emplace_back(1, static_cast<char>(byte));
        for (const std::string word :
             {" six", " no",      " and", " then", " he",      " said",     " so",  " on",
              " you", " can",     " see", " Good", " morning", " everyone", " the", " mining",
              " The", " weather", " is",  " fine", " today",   " we",       " are", " ready"}) {
            for (std::size_t length = 2; length <= word.size(); ++length)
                if (!std::ranges::contains(pieces, word.substr(0, length))) pieces.push_back(word.substr(0, length));
        }
        return Vocabulary(std::move(pieces), SpecialTokens::of_size(51865));
    }();
    return made;
}

std::vector<Token> times(std::initializer_list<double> seconds) {
    std::vector<Token> tokens;
    for (const double each : seconds)
        tokens.push_back(vocabulary().special().first_timestamp +
                         static_cast<Token>(std::lround(each / kTimestampStep)));
    return tokens;
}

TEST(Vocabulary, TokensThatSteerAreWhereWhisperHasThem) {
    const auto english = SpecialTokens::of_size(51864);
    EXPECT_EQ(english.start, 50257);
    EXPECT_EQ(english.first_timestamp, 50363);
    EXPECT_THAT(english.languages, ::testing::IsEmpty());
    const auto many = SpecialTokens::of_size(51865);
    EXPECT_EQ(many.transcribe, 50359);
    EXPECT_EQ(many.no_speech, 50362);
    EXPECT_EQ(many.first_timestamp, 50364);
    EXPECT_EQ(many.languages.front(), std::pair("en"s, 50259));
    const auto large = SpecialTokens::of_size(51866);
    EXPECT_EQ(large.languages.back(), std::pair("yue"s, 50358));
    EXPECT_EQ(large.first_timestamp, 50365);
}

TEST(Vocabulary, TheLongestKnownPiecesAreJoined) {
    EXPECT_EQ(vocabulary().encode(" he said").size(), 2u);
    EXPECT_EQ(vocabulary().encode(" he,").size(), 2u) << "a sign is a word of its own";
    EXPECT_EQ(vocabulary().encode("xyz").size(), 3u) << "what is no token comes as bytes";
}

TEST(Vocabulary, WhatIsEncodedIsReadBack) {
    for (const std::string text :
         {" It's 25 o'clock, isn't it?", " 日本語のテスト", "  two  spaces\n", " naïve café 🎤", ""}) {
        std::string back;
        for (const Token token : vocabulary().encode(text)) back += vocabulary().text_of(token);
        EXPECT_EQ(back, text);
    }
}

class Rules : public ::testing::Test {
protected:
    /// Logits after `decoded`, of which text is likelier than any time by `margin`.
    std::vector<float> after(const std::vector<Token>& decoded, float margin = 20, double seconds = 30) {
        std::vector<float> logits(51865, 0);
        for (Token token = 0; token <= vocabulary().special().end_of_text; ++token)
            logits[static_cast<std::size_t>(token)] = margin;
        rules_.apply(logits, decoded, seconds);
        return logits;
    }
    static bool may(const std::vector<float>& logits, Token token) {
        return std::isfinite(logits[static_cast<std::size_t>(token)]);
    }
    const Token some_text_ = 400;
    const Token end_ = vocabulary().special().end_of_text;
    const TokenRules rules_{vocabulary(), {7}, {220}};
};

TEST_F(Rules, AWindowBeginsWithATimeOfItsFirstSecond) {
    const auto logits = after({});
    EXPECT_FALSE(may(logits, some_text_));
    EXPECT_TRUE(may(logits, times({0}).front()));
    EXPECT_TRUE(may(logits, times({1}).front()));
    EXPECT_FALSE(may(logits, times({1.02}).front()));
}

TEST_F(Rules, TimesComeInPairsAndNeverGoBack) {
    auto decoded = times({1.0});
    auto logits = after(decoded);
    EXPECT_TRUE(may(logits, some_text_)) << "after the beginning of a segment comes text";
    EXPECT_FALSE(may(logits, times({3}).front()));
    decoded.push_back(some_text_);
    logits = after(decoded);
    EXPECT_FALSE(may(logits, times({1.0}).front())) << "a segment has a length";
    EXPECT_TRUE(may(logits, times({1.02}).front()));
    decoded.append_range(times({2.0}));
    logits = after(decoded);
    EXPECT_FALSE(may(logits, some_text_))
        << "the end of a segment is followed by the beginning of another, or by nothing";
    EXPECT_TRUE(may(logits, times({2.0}).front()));
    EXPECT_TRUE(may(logits, end_));
    EXPECT_FALSE(may(logits, times({1.98}).front()));
}

TEST_F(Rules, NoTimeIsLaterThanTheAudio) {
    auto decoded = times({0});
    decoded.push_back(some_text_);
    const auto logits = after(decoded, 20, 4);
    EXPECT_TRUE(may(logits, times({4}).front()));
    EXPECT_FALSE(may(logits, times({4.02}).front()));
}

TEST_F(Rules, WhereTimesTogetherAreLikelierThanTextATimeFollows) {
    auto decoded = times({0});
    decoded.push_back(some_text_);
    EXPECT_FALSE(may(after(decoded, 3), some_text_)) << "1500 times at 0 outweigh 3";
    EXPECT_TRUE(may(after(decoded, 20), some_text_));
}

TEST_F(Rules, WhatTheModelsFileSuppressesMayComeWhereSoundsAreAskedFor) {
    auto logits = std::vector<float>(51865, 0);
    rules_.apply(logits, times({0}), 30, true);
    EXPECT_TRUE(may(logits, 7));
    EXPECT_FALSE(may(logits, vocabulary().special().start)) << "what steers is no text";
}

TEST_F(Rules, WhatTheModelsFileSuppressesNeverComes) {
    auto decoded = times({0});
    EXPECT_FALSE(may(after(decoded), 7));
    EXPECT_FALSE(may(after({}), 220));
    decoded.push_back(some_text_);
    EXPECT_TRUE(may(after(decoded), 220));
    EXPECT_FALSE(may(after(decoded), vocabulary().special().start));
    EXPECT_FALSE(may(after(decoded), vocabulary().special().languages.front().second));
}

Hypothesis said(const std::string& text, double logprob = -0.2, bool ended = true) {
    Hypothesis made{.tokens = vocabulary().encode(text), .ended = ended};
    made.logprobs.assign(made.tokens.size(), static_cast<float>(logprob));
    made.sum_logprob = logprob * static_cast<double>(made.tokens.size() + 1);
    return made;
}

TEST(Gates, SpeechIsCredible) {
    for (const auto window : {Window::shortened, Window::full}) {
        EXPECT_EQ(doubt_of(said(" The weather is fine today, and we are ready."), vocabulary(), window), Doubt::none);
        EXPECT_EQ(doubt_of(said(" no no no no"), vocabulary(), window), Doubt::none);
    }
}

TEST(Gates, WhatAModelDoesThatHasLostItsWayIsDoubted) {
    const auto doubt = [](const Hypothesis& hypothesis) { return doubt_of(hypothesis, vocabulary(), Window::full); };
    std::string sixes;
    for (int i = 0; i < 24; ++i) sixes += " six";
    EXPECT_EQ(doubt(said(sixes)), Doubt::repetition);
    std::string phrase;
    for (int i = 0; i < 6; ++i) phrase += " and then he said";
    EXPECT_EQ(doubt(said(phrase)), Doubt::repetition);
    EXPECT_EQ(doubt(said(" the mining everyone", -1.3)), Doubt::low_probability);
    EXPECT_EQ(doubt(said(" and so on", -0.2, false)), Doubt::no_end);
    EXPECT_EQ(doubt_of(said(" you can see you can see"), vocabulary(), Window::shortened), Doubt::repetition)
        << "in a short window the full one is asked";
    EXPECT_EQ(doubt(said(" you can see you can see")), Doubt::none) << "there, it may have been said";
}

TEST(Gates, OfALoopItsFirstTimeIsKept) {
    auto looping = said(" Good morning. six six six six six six six six six six");
    const auto before = vocabulary().encode(" Good morning. six");
    cut_loop(looping);
    EXPECT_EQ(looping.tokens, before);
    EXPECT_EQ(looping.logprobs.size(), before.size());
    auto sound = said(" Good morning everyone.");
    const auto whole = sound.tokens;
    cut_loop(sound);
    EXPECT_EQ(sound.tokens, whole);
}

}  // namespace
}  // namespace hotmic::onnx
