#include <gtest/gtest.h>

#include "lifecycle/warmup_runner.hpp"

namespace hotmic {
namespace {

std::vector<Seconds> latencies(std::initializer_list<double> milliseconds) {
    std::vector<Seconds> all;
    for (const double each : milliseconds) all.push_back(from_ms(each));
    return all;
}

TEST(Converged, NotWithFewerValuesThanTwoWindows) {
    EXPECT_FALSE(has_converged(latencies({10, 10, 10, 10, 10})));
}

TEST(Converged, WhenTheLastValuesAreSteady) {
    EXPECT_TRUE(has_converged(latencies({100, 40, 10, 10.2, 9.9, 10.1, 10, 10.1})));
}

TEST(Converged, NotWhileLatencyStillFalls) {
    EXPECT_FALSE(has_converged(latencies({100, 80, 64, 51, 41, 33})));
}

TEST(Converged, NotWhileLatencyStillRises) {
    EXPECT_FALSE(has_converged(latencies({10, 12, 14, 17, 20, 24})));
}

TEST(Converged, OneHiccupDoesNotHideSteadiness) {
    EXPECT_TRUE(has_converged(latencies({10, 10, 10, 10, 95, 10})));
}

TEST(Converged, NotWhenLatencyIsErratic) {
    EXPECT_FALSE(has_converged(latencies({5, 10, 25, 3, 10, 30})));
}

TEST(Converged, ATighterToleranceIsHarder) {
    const auto values = latencies({10, 10, 10, 10.6, 10.6, 10.6});
    EXPECT_TRUE(has_converged(values, 3, 0.10));
    EXPECT_FALSE(has_converged(values, 3, 0.01));
}

TEST(WordErrorRate, CountsEditsPerWordSaid) {
    EXPECT_DOUBLE_EQ(word_error_rate("one two three four", "one two three four"), 0);
    EXPECT_DOUBLE_EQ(word_error_rate("one two three four", "one too three four"), 0.25);
    EXPECT_DOUBLE_EQ(word_error_rate("one two three four", "one three four"), 0.25);
    EXPECT_DOUBLE_EQ(word_error_rate("one two three four", "one two two three four"), 0.25);
    EXPECT_DOUBLE_EQ(word_error_rate("one two", ""), 1);
    EXPECT_DOUBLE_EQ(word_error_rate("one", "a b c"), 3);
    EXPECT_DOUBLE_EQ(word_error_rate("", ""), 0);
    EXPECT_DOUBLE_EQ(word_error_rate("", "noise"), 1);
}

TEST(WordErrorRate, IgnoresCaseAndPunctuationButNotApostrophes) {
    EXPECT_DOUBLE_EQ(word_error_rate("It's ready, now!", "it's READY now"), 0);
    EXPECT_GT(word_error_rate("it's ready", "its ready"), 0);
}

TEST(Quantile, InterpolatesBetweenValues) {
    EXPECT_DOUBLE_EQ(quantile(std::vector<double>{}, 0.5), 0);
    EXPECT_DOUBLE_EQ(quantile(std::vector<double>{7}, 0.95), 7);
    EXPECT_DOUBLE_EQ(quantile(std::vector<double>{4, 1, 3, 2}, 0.5), 2.5);
    EXPECT_DOUBLE_EQ(quantile(std::vector<double>{0, 10}, 0.95), 9.5);
}

TEST(Settled, WhatWasNeverColdIsSettledAfterThreeRuns) {
    EXPECT_FALSE(has_settled(latencies({100})));
    EXPECT_FALSE(has_settled(latencies({100, 100})));
    EXPECT_TRUE(has_settled(latencies({105, 100, 100})));
    EXPECT_TRUE(has_settled(latencies({90, 100, 140})))
        << "no later run is faster than the first, however noisy the machine";
}

TEST(Settled, WhatWasColdIsSettledOnceItsLastRunsAgree) {
    EXPECT_FALSE(has_settled(latencies({500, 200, 100})));
    EXPECT_FALSE(has_settled(latencies({500, 200, 150, 100})));
    EXPECT_TRUE(has_settled(latencies({500, 200, 102, 100, 98})));
    EXPECT_FALSE(has_settled(latencies({500, 100, 150, 80, 200}))) << "erratic";
}

}  // namespace
}  // namespace hotmic
