#include "live/agreement.hpp"

#include <gtest/gtest.h>

#include <ranges>
#include <string>
#include <string_view>

namespace hotmic {
namespace {

/// "good morning" → words of half a second each, the first at `start`.
std::vector<Word> words(std::string_view text, double start = 0) {
    std::vector<Word> result;
    for (const auto part : std::views::split(text, ' ')) {
        if (part.empty()) continue;
        result.push_back({.text = std::string(part.begin(), part.end()), .start = start, .end = start + 0.5});
        start += 0.5;
    }
    return result;
}

std::string text(const std::vector<Word>& list) {
    std::string joined;
    for (const auto& word : list) joined += (joined.empty() ? "" : " ") + word.text;
    return joined;
}

TEST(Agreement, AWordIsStableOnceTwoHypothesesInARowHaveIt) {
    Agreement agreement;
    agreement.update(words("good mourning"));
    EXPECT_EQ(text(agreement.stable()), "");
    EXPECT_EQ(text(agreement.open()), "good mourning");
    agreement.update(words("good morning every"));
    EXPECT_EQ(text(agreement.stable()), "good");
    EXPECT_EQ(text(agreement.open()), "morning every");
    agreement.update(words("good morning everyone"));
    EXPECT_EQ(text(agreement.stable()), "good morning");
    EXPECT_EQ(text(agreement.open()), "everyone");
}

TEST(Agreement, CaseAndPunctuationAreNoDisagreement) {
    Agreement agreement;
    agreement.update(words("Good morning."));
    agreement.update(words("good, Morning everyone."));
    EXPECT_EQ(text(agreement.stable()), "good, Morning");
}

TEST(Agreement, WhatIsStableStaysThoughALaterHypothesisHasItOtherwise) {
    Agreement agreement;
    agreement.update(words("one two three"));
    agreement.update(words("one two three four"));
    agreement.update(words("won too three four five"));
    EXPECT_EQ(text(agreement.stable()), "one two three four") << "four was heard twice, after the time of three";
    EXPECT_EQ(text(agreement.conclude(words("won too three four five six"))), "one two three four five six");
}

TEST(Agreement, TheEndTakesTimesAndProbabilitiesOfTheLastHypothesisAsFarAsItAgrees) {
    Agreement agreement;
    agreement.update(words("Good morning, all"));
    agreement.update(words("Good morning, all"));
    auto last = words("good morning everyone", 0.25);
    for (auto& word : last) word.probability = 0.75;
    const auto whole = agreement.conclude(last);
    EXPECT_EQ(text(whole), "Good morning, all");
    EXPECT_EQ(whole[1].start, 0.75);
    EXPECT_EQ(whole[1].probability, 0.75);
    EXPECT_EQ(whole[2].start, 1.0) << "what the last hypothesis has otherwise stays as it was";
    EXPECT_EQ(whole[2].probability, 0);
}

TEST(Agreement, TheEndTakesTheLastHypothesisBeyondWhatIsStable) {
    Agreement agreement;
    agreement.update(words("good morning"));
    agreement.update(words("good morning all"));
    EXPECT_EQ(text(agreement.conclude(words("Good morning everyone"))), "good morning everyone");
    EXPECT_EQ(text(agreement.conclude({})), "good morning");
    EXPECT_EQ(text(Agreement().conclude(words("hello"))), "hello");
}

TEST(Agreement, AWorseHypothesisOnlyAddsToWhatIsKnownButForTheLastWord) {
    Agreement agreement;
    EXPECT_EQ(text(agreement.extended_by(words("won too"))), "won too") << "there is nothing better";
    agreement.update(words("one two three fo"));
    agreement.update(words("one two three fo"));
    agreement.update(words("one two three fo fi"));
    EXPECT_EQ(text(agreement.extended_by(words("won too tree four five six"))), "one two three fo five six");
    EXPECT_EQ(text(agreement.extended_by(words("won too"))), "one two three fo fi") << "of less audio";
    EXPECT_EQ(text(agreement.extended_by({})), "one two three fo fi");
    EXPECT_EQ(text(agreement.stable()), "one two three fo") << "which it does not change";
}

TEST(Agreement, PartsWhereAnUtteranceIsCut) {
    Agreement agreement;
    agreement.update(words("one two three four five"));
    agreement.update(words("one two three four sex"));
    auto rest = agreement.split(1.5);
    EXPECT_EQ(text(agreement.stable()), "one two three");
    EXPECT_EQ(text(agreement.open()), "");
    EXPECT_EQ(text(rest.stable()), "four");
    EXPECT_EQ(text(rest.open()), "sex");
    rest.update(words("four six", 1.5));
    EXPECT_EQ(text(rest.stable()), "four");
    rest.update(words("four six", 1.5));
    EXPECT_EQ(text(rest.stable()), "four six");
}

TEST(Agreement, NothingHeardIsNoReasonToForget) {
    Agreement agreement;
    agreement.update(words("one two"));
    agreement.update(words("one two"));
    agreement.update({});
    EXPECT_EQ(text(agreement.stable()), "one two");
    EXPECT_EQ(text(agreement.open()), "");
}

}  // namespace
}  // namespace hotmic
