#include "live/agreement.hpp"

#include <gtest/gtest.h>

#include <ranges>
#include <string>
#include <string_view>

namespace hotmic {
namespace {

constexpr Seconds kMuchLater(100);
/// Of words that are said so fast that none of them is settled, and all may be agreed on.
constexpr double kFast = 0.05;
constexpr Seconds kSoon(0.75);

/// "good morning" → words of half a second each, the first at `start`.
std::vector<Word> words(std::string_view text, double start = 0, double each = 0.5) {
    std::vector<Word> result;
    for (const auto part : std::views::split(text, ' ')) {
        if (part.empty()) continue;
        result.push_back({.text = std::string(part.begin(), part.end()),
                          .start = Seconds(start),
                          .end = Seconds(start + each),
                          .probability = 1});
        start += each;
    }
    return result;
}

std::vector<Word> fast(std::string_view text, double start = 0) {
    return words(text, start, kFast);
}

std::string text(const std::vector<Word>& list) {
    std::string joined;
    for (const auto& word : list) joined += (joined.empty() ? "" : " ") + word.text;
    return joined;
}

TEST(Agreement, AWordIsStableOnceTwoHypothesesInARowHaveIt) {
    Agreement agreement;
    agreement.update(fast("good mourning"), kSoon);
    EXPECT_EQ(text(agreement.stable()), "");
    EXPECT_EQ(text(agreement.open()), "good mourning");
    agreement.update(fast("good morning every"), kSoon);
    EXPECT_EQ(text(agreement.stable()), "good");
    EXPECT_EQ(text(agreement.open()), "morning every");
    agreement.update(fast("good morning everyone"), kSoon);
    EXPECT_EQ(text(agreement.stable()), "good morning");
    EXPECT_EQ(text(agreement.open()), "everyone");
}

TEST(Agreement, AWordAtTheEndOfTheAudioMayGoOn) {
    Agreement agreement;
    agreement.update(words("good morning every"), Seconds(1.5));
    agreement.update(words("good morning every"), Seconds(1.7));
    EXPECT_EQ(text(agreement.stable()), "good morning");
    EXPECT_EQ(text(agreement.open()), "every");
    agreement.update(words("good morning everyone"), Seconds(2));
    EXPECT_EQ(text(agreement.stable()), "good morning");
    agreement.update(words("good morning everyone"), Seconds(2));
    EXPECT_EQ(text(agreement.stable()), "good morning everyone") << "nothing is said after it";
}

TEST(Agreement, AWordThatIsImprobableIsWaitedForLonger) {
    auto doubtful = words("good mourning");
    doubtful[1].probability = 0.3;
    Agreement agreement;
    agreement.update(doubtful, Seconds(1.7));
    agreement.update(doubtful, Seconds(1.9));
    EXPECT_EQ(text(agreement.stable()), "good");
    agreement.update(doubtful, Seconds(2.0));
    EXPECT_EQ(text(agreement.stable()), "good mourning");
}

TEST(Agreement, OnceIsEnoughForAWordThatEnoughWasSaidAfter) {
    Agreement agreement;
    auto heard = words("good morning every");
    agreement.update(heard, Seconds(1.75));
    EXPECT_EQ(text(agreement.stable()), "good") << "0.75 s behind the other";
    heard[1].probability = 0.3;
    agreement.update({}, Seconds(1.8));
    agreement.update(heard, Seconds(2.2));
    EXPECT_EQ(text(agreement.stable()), "good") << "it is doubted, and so is what follows it";
    agreement.update({}, Seconds(2.25));
    agreement.update(heard, Seconds(2.35));
    EXPECT_EQ(text(agreement.stable()), "good morning every");
}

TEST(Agreement, CaseAndPunctuationAreNoDisagreement) {
    Agreement agreement;
    agreement.update(fast("Good morning."), kSoon);
    agreement.update(fast("good, Morning everyone."), kSoon);
    EXPECT_EQ(text(agreement.stable()), "good, Morning");
}

TEST(Agreement, WhatIsStableStaysThoughALaterHypothesisHasItOtherwise) {
    Agreement agreement;
    agreement.update(fast("one two three"), kSoon);
    agreement.update(fast("one two three four"), kSoon);
    agreement.update(fast("won too three four five"), kSoon);
    EXPECT_EQ(text(agreement.stable()), "one two three four") << "four was heard twice, after the time of three";
    EXPECT_EQ(text(agreement.conclude(fast("won too three four five six"))), "one two three four five six");
}

TEST(Agreement, TheEndTakesTimesAndProbabilitiesOfTheLastHypothesisAsFarAsItAgrees) {
    Agreement agreement;
    agreement.update(words("Good morning, all"), kMuchLater);
    agreement.update(words("Good morning, all"), kMuchLater);
    auto last = words("good morning everyone", 0.25);
    for (auto& word : last) word.probability = 0.75;
    const auto whole = agreement.conclude(last);
    EXPECT_EQ(text(whole), "Good morning, all");
    EXPECT_EQ(whole[1].start, Seconds(0.75));
    EXPECT_EQ(whole[1].probability, 0.75);
    EXPECT_EQ(whole[2].start, Seconds(1.0)) << "what the last hypothesis has otherwise stays as it was";
    EXPECT_EQ(whole[2].probability, 1);
}

TEST(Agreement, TheEndTakesTheLastHypothesisBeyondWhatIsStable) {
    Agreement agreement;
    agreement.update(fast("good morning"), kSoon);
    agreement.update(fast("good morning all"), kSoon);
    EXPECT_EQ(text(agreement.conclude(fast("Good morning everyone"))), "good morning everyone");
    EXPECT_EQ(text(agreement.conclude({})), "good morning");
    EXPECT_EQ(text(Agreement().conclude(fast("hello"))), "hello");
}

TEST(Agreement, AWorseHypothesisOnlyAddsToWhatIsKnownButForTheLastWord) {
    Agreement agreement;
    EXPECT_EQ(text(agreement.extended_by(fast("won too"))), "won too") << "there is nothing better";
    agreement.update(fast("one two three fo"), kSoon);
    agreement.update(fast("one two three fo"), kSoon);
    agreement.update(fast("one two three fo fi"), kSoon);
    EXPECT_EQ(text(agreement.extended_by(fast("won too tree four five six"))), "one two three fo five six");
    EXPECT_EQ(text(agreement.extended_by(fast("won too"))), "one two three fo fi") << "of less audio";
    EXPECT_EQ(text(agreement.extended_by({})), "one two three fo fi");
    EXPECT_EQ(text(agreement.stable()), "one two three fo") << "which it does not change";
}

TEST(Agreement, KnowsTheLastPauseBetweenStableWords) {
    Agreement agreement;
    auto heard = words("one two three four five six");
    for (std::size_t i = 2; i < heard.size(); ++i) heard[i].start += Seconds(1), heard[i].end += Seconds(1);
    for (std::size_t i = 4; i < heard.size(); ++i) heard[i].start += Seconds(1), heard[i].end += Seconds(1);
    EXPECT_EQ(agreement.stable_to_pause(Seconds(100)), 0u);
    agreement.update(heard, kMuchLater);
    EXPECT_EQ(agreement.stable_to_pause(Seconds(100)), 4u);
    EXPECT_EQ(agreement.stable_to_pause(heard[4].start - Seconds(0.1)), 2u);
    EXPECT_EQ(agreement.stable_to_pause(heard[2].start - Seconds(0.1)), 0u);
}

TEST(Agreement, PartsWhereAnUtteranceIsCut) {
    Agreement agreement;
    agreement.update(fast("one two three four five"), kSoon);
    agreement.update(fast("one two three four sex"), kSoon);
    auto rest = agreement.split(Seconds(0.15));
    EXPECT_EQ(text(agreement.stable()), "one two three");
    EXPECT_EQ(text(agreement.open()), "");
    EXPECT_EQ(text(rest.stable()), "four");
    EXPECT_EQ(text(rest.open()), "sex");
    rest.update(fast("four six", 0.15), kSoon);
    EXPECT_EQ(text(rest.stable()), "four");
    rest.update(fast("four six", 0.15), kSoon);
    EXPECT_EQ(text(rest.stable()), "four six");
}

TEST(Agreement, NothingHeardIsNoReasonToForget) {
    Agreement agreement;
    agreement.update(words("one two"), kMuchLater);
    agreement.update(words("one two"), kMuchLater);
    agreement.update({}, kMuchLater);
    EXPECT_EQ(text(agreement.stable()), "one two");
    EXPECT_EQ(text(agreement.open()), "");
}

}  // namespace
}  // namespace hotmic
