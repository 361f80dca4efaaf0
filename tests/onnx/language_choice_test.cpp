/// Which language a moment of speech is taken for.
#include "asr/whisper/language_choice.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace hotmic::whisper {
namespace {

std::array<LanguageLogit, 3> logits(double english, double spanish, double portuguese) {
    const auto of = [](double probability) { return static_cast<float>(std::log(probability)) + 7; };
    return {{{"en", of(english)}, {"es", of(spanish)}, {"pt", of(portuguese)}}};
}

TEST(LanguageChoice, IsTheMostProbableWithItsProbability) {
    const auto choice = choose_language(logits(0.1, 0.3, 0.6), Seconds(2), {});
    EXPECT_EQ(choice.code, "pt");
    EXPECT_NEAR(choice.probability, 0.6, 1e-6);
}

TEST(LanguageChoice, IsAmongThoseThatAreAllowed) {
    TranscribeOptions options;
    options.languages = {"English", "es"};
    const auto choice = choose_language(logits(0.1, 0.3, 0.6), Seconds(2), options);
    EXPECT_EQ(choice.code, "es");
    EXPECT_NEAR(choice.probability, 0.75, 1e-6) << "among the allowed";
    EXPECT_EQ(choose_language({}, Seconds(2), options).code, "");
}

TEST(LanguageChoice, AMomentKeepsTheLanguageBeforeItUnlessAnotherIsMuchMoreProbable) {
    TranscribeOptions options;
    options.language_before = "es";
    const auto kept = choose_language(logits(0.1, 0.3, 0.6), Seconds(2), options);
    EXPECT_EQ(kept.code, "es");
    EXPECT_NEAR(kept.probability, 0.3, 1e-6) << "as probable as it is, so that nobody is sure of it";
    EXPECT_EQ(choose_language(logits(0.1, 0.1, 0.8), Seconds(4), options).code, "pt");
    EXPECT_EQ(choose_language(logits(0.1, 0.1, 0.8), Seconds(2), options).code, "es") << "less than that says little";
    EXPECT_EQ(choose_language(logits(0.1, 0.005, 0.895), Seconds(2), options).code, "pt");
    EXPECT_EQ(choose_language(logits(0.1, 0.3, 0.6), Seconds(10), options).code, "pt") << "long enough to be sure";
    options.languages = {"en", "pt"};
    EXPECT_EQ(choose_language(logits(0.1, 0.3, 0.6), Seconds(2), options).code, "pt")
        << "what is not allowed is not kept";
}

}  // namespace
}  // namespace hotmic::whisper
