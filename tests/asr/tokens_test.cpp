#include "asr/tokens.hpp"

#include <gtest/gtest.h>

namespace hotmic {
namespace {

std::vector<Word> words(std::initializer_list<const char*> texts) {
    std::vector<Word> all;
    for (const auto* text : texts) all.push_back({.text = text, .probability = 0.5});
    return all;
}

std::string joined(const std::vector<Token>& tokens) {
    std::string text;
    for (const auto& token : tokens) text += token.text;
    return text;
}

TEST(Tokens, JoinToTheTextInEveryScript) {
    const struct {
        const char* text;
        std::vector<Word> words;
    } kinds[]{{"Ask not, what.", words({"Ask", "not,", "what."})},
              {"今天天气很好。", words({"今天", "天气", "很", "好。"})},
              {"東京 タワー", words({"東京", "タワー"})},
              {" and so  on ", words({"and", "so", "on"})},
              {"a a a", words({"a", "a", "a"})}};
    for (const auto& kind : kinds) {
        const auto tokens = tokens_of(kind.text, kind.words);
        EXPECT_EQ(tokens.size(), kind.words.size());
        EXPECT_EQ(joined(tokens), kind.text);
    }
}

TEST(Tokens, AWordThatIsNotInTheTextIsNone) {
    const auto tokens = tokens_of("one three", words({"one", "two", "three"}));
    ASSERT_EQ(tokens.size(), 2u);
    EXPECT_EQ(joined(tokens), "one three");
    EXPECT_TRUE(tokens_of("something", words({"else"})).empty());
}

}  // namespace
}  // namespace hotmic
