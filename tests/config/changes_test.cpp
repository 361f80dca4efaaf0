#include "config/changes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hotmic::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

Config two_models() {
    Config config;
    config.models["a"].path = "/models/a.bin";
    config.models["b"].path = "/models/b.bin";
    return config;
}

TEST(ConfigChanges, TheSameConfigurationHasNone) {
    EXPECT_TRUE(changes(two_models(), two_models()).none());
}

TEST(ConfigChanges, AModelIsSwappedForWhatItLoadsAndHow) {
    auto after = two_models();
    after.models["a"].path = "/models/c.bin";
    after.models["a"].lifecycle.warmup.level = 3;
    const auto found = changes(two_models(), after);
    EXPECT_THAT(found.swapped, ElementsAre(Pair("a", ElementsAre("models.a.path", "models.a.warmup.level"))));
    EXPECT_THAT(found.restart, IsEmpty());
    EXPECT_FALSE(found.none());
}

TEST(ConfigChanges, WhatIsOfTheServerOrOfNamesWaitsForARestart) {
    auto after = two_models();
    after.server.port = 1;
    after.log.level = "debug";
    after.models["b"].aliases = {"x"};
    after.models["b"].required = false;
    const auto found = changes(two_models(), after);
    EXPECT_THAT(found.restart, ElementsAre("server.port", "log.level", "models.b.aliases", "models.b.required"));
    EXPECT_THAT(found.swapped, IsEmpty());
}

TEST(ConfigChanges, TheStrategyOfTheNextSwapChangesNothingByItself) {
    auto after = two_models();
    after.models["a"].swap = "replace";
    EXPECT_TRUE(changes(two_models(), after).none());
}

TEST(ConfigChanges, ModelsComeAndGo) {
    auto after = two_models();
    after.models.erase("a");
    after.models["c"] = {};
    const auto found = changes(two_models(), after);
    EXPECT_THAT(found.added, ElementsAre("c"));
    EXPECT_THAT(found.removed, ElementsAre("a"));
    EXPECT_THAT(found.swapped, IsEmpty());
}

}  // namespace
}  // namespace hotmic::config
