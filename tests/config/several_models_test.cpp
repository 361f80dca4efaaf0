// Any number of [models.NAME] sections, and what they say about each other.
#include <gmock/gmock.h>

#include "config/load_fixture.hpp"
#include "config/print.hpp"

namespace hotmic::config {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Key;
using testing::Not;

using SeveralModels = ConfigTest;

TEST_F(SeveralModels, LanguagesBecomeCodes) {
    const auto loaded = load_text(R"(
[models.default]
language = "German"
languages = ["de-AT", "english", "zh"]
)");
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->config.models.at("default").lifecycle.language, "de");
    EXPECT_THAT(loaded->config.models.at("default").lifecycle.languages, ElementsAre("de", "en", "zh"));
    const auto unknown = load_text("[models.default]\nlanguages = [\"de\", \"klingon\"]");
    ASSERT_FALSE(unknown);
    EXPECT_THAT(unknown.error().message, HasSubstr("klingon"));
    const auto other = load_text("[models.default]\nlanguage = \"fr\"\nlanguages = [\"de\", \"en\"]");
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().param, "models.default.language");
}

TEST_F(SeveralModels, EachHasSettingsOfItsOwn) {
    const auto loaded = load_text(R"(
default_model = "small"
parallel_loads = 2
[models.small]
path = "small.bin"
fallback = ["tiny"]
[models.large]
path = "/models/large.bin"
required = false
load = "demand"
swap = "replace"
idle_unload_ms = 60000
warmup.level = 1
[models.large.supervise]
heartbeat_timeout_ms = 0
crash_loop_deaths = 3
crash_loop_window_ms = 1000
canary_interval_ms = 2000
canary_latency_factor = 2.5
file_check_interval_ms = 50
[models.tiny]
)");
    ASSERT_TRUE(loaded) << loaded.error().describe();
    EXPECT_EQ(loaded->model, "small");
    EXPECT_EQ(loaded->config.parallel_loads, 2);
    EXPECT_THAT(loaded->config.models, ElementsAre(Key("large"), Key("small"), Key("tiny")));
    const auto& small = loaded->config.models.at("small");
    EXPECT_EQ(small.path, folder_ / "small.bin");
    EXPECT_THAT(small.fallback, ElementsAre("tiny"));
    EXPECT_TRUE(small.required);
    EXPECT_EQ(small.load, "start");
    EXPECT_EQ(small.swap, "auto");
    const auto& large = loaded->config.models.at("large");
    EXPECT_FALSE(large.required);
    EXPECT_EQ(large.load, "demand");
    EXPECT_EQ(large.swap, "replace");
    EXPECT_EQ(large.lifecycle.idle_unload, milliseconds(60'000));
    EXPECT_EQ(large.lifecycle.warmup.level, 1);
    EXPECT_EQ(small.lifecycle.warmup.level, WarmupOptions{}.level);
    const auto& supervise = large.lifecycle.supervise;
    EXPECT_EQ(supervise.heartbeat_timeout.count(), 0);
    EXPECT_EQ(supervise.crash_loop_deaths, 3);
    EXPECT_EQ(supervise.crash_loop_window.count(), 1000);
    EXPECT_EQ(supervise.canary_interval.count(), 2000);
    EXPECT_EQ(supervise.canary_latency_factor, 2.5);
    EXPECT_EQ(supervise.file_check_interval.count(), 50);
}

TEST_F(SeveralModels, TwoMayShareAFile) {
    EXPECT_TRUE(load_text("[models.default]\npath = 'a'\n[models.b]\npath = 'a'\nslots = 2\n"));
}

TEST_F(SeveralModels, TheDefaultIsTheOneToldTheOneSoNamedOrTheOnlyOne) {
    EXPECT_EQ(load_text("[models.a]\n[models.default]\n")->model, "default");
    EXPECT_EQ(load_text("[models.a]\n")->model, "a");
    EXPECT_EQ(load_text("default_model = 'b'\n[models.a]\n[models.b]\n[models.default]\n")->model, "b");
    EXPECT_EQ(load_text("default_model = 'b'\n[models.a]\n[models.b]\n")->config.default_model, "b");
    EXPECT_EQ(load_text("[models.a]\n")->config.default_model, "a");
    // Later sources win here, too.
    const std::string both = "default_model = 'a'\n[models.a]\n[models.b]\n[models.c]\n";
    EXPECT_EQ(load_text(both, {}, {{"HOTMIC_DEFAULT_MODEL", "b"}})->model, "b");
    EXPECT_EQ(load_text(both, {{"default_model", "c", "--model-name"}}, {{"HOTMIC_DEFAULT_MODEL", "b"}})->model, "c");
}

TEST_F(SeveralModels, SeveralWithoutADefaultAskForOne) {
    EXPECT_THAT(refusal("[models.a]\n[models.b]\n"),
                AllOf(HasSubstr("the models a, b"), HasSubstr("default_model = \"a\"")));
}

TEST_F(SeveralModels, ADefaultThatIsNoneIsMetWithTheNearest) {
    EXPECT_THAT(refusal("default_model = 'smal'\n[models.small]\n[models.large]\n"),
                AllOf(HasSubstr("hotmic.toml: default_model"), HasSubstr("no model \"smal\""),
                      HasSubstr("did you mean small?")));
    EXPECT_THAT(refusal("[models.small]\n", {{"default_model", "telepathy", "--model-name"}}),
                AllOf(HasSubstr("command line: --model-name"), HasSubstr("there are: small")));
}

TEST_F(SeveralModels, FlagsWithoutANameAreAboutTheDefaultModel) {
    const auto loaded = load_text("default_model = 'b'\n[models.a]\n[models.b]\n",
                                  {{"models.*.slots", "3", "--slots"}, {"models.a.slots", "2", "--set"}});
    ASSERT_TRUE(loaded) << loaded.error().describe();
    EXPECT_EQ(loaded->config.models.at("b").slots, 3);
    EXPECT_EQ(loaded->config.models.at("a").slots, 2);
    EXPECT_EQ(loaded->origins.at("models.b.slots").where, "--slots");
}

TEST_F(SeveralModels, FlagsMakeModelsOnlyWhereTheFileHasNone) {
    const auto made = load_text(
        "", {{"models.a.slots", "1", "--set"}, {"models.b.slots", "2", "--set"}, {"default_model", "b", "--set"}});
    ASSERT_TRUE(made) << made.error().describe();
    EXPECT_THAT(made->config.models, ElementsAre(Key("a"), Key("b")));
    EXPECT_THAT(refusal("[models.large]\n", {{"models.larg.slots", "1", "--set"}}),
                AllOf(HasSubstr("there is no key models.larg.slots"), HasSubstr("did you mean models.large.slots?")));
    EXPECT_THAT(refusal("[models.large]\n", {{"models..slots", "1", "--set"}}), HasSubstr("there is no key"));
}

TEST_F(SeveralModels, VariablesReachEveryModelByItsName) {
    const auto loaded = load_text("[models.default]\n[models.large-v3]\n", {},
                                  {{"HOTMIC_MODELS_DEFAULT_SLOTS", "2"},
                                   {"HOTMIC_MODELS_LARGE_V3_SLOTS", "3"},
                                   {"HOTMIC_MODELS_LARGE_V3_WARMUP_LEVEL", "1"},
                                   {"HOTMIC_MODELS_LARGE_V3_LOAD", "demand"}});
    ASSERT_TRUE(loaded) << loaded.error().describe();
    EXPECT_EQ(loaded->config.models.at("default").slots, 2);
    const auto& large = loaded->config.models.at("large-v3");
    EXPECT_EQ(large.slots, 3);
    EXPECT_EQ(large.lifecycle.warmup.level, 1);
    EXPECT_EQ(large.load, "demand");
    EXPECT_THAT(refusal("[models.large]\n", {}, {{"HOTMIC_MODELS_LARG_SLOTS", "1"}}),
                HasSubstr("did you mean HOTMIC_MODELS_LARGE_SLOTS?"));
}

TEST_F(SeveralModels, AVariableThatCouldMeanTwoKeysIsAnError) {
    EXPECT_THAT(refusal("[models.default]\n[models.a-b]\n[models.a_b]\n", {}, {{"HOTMIC_MODELS_A_B_SLOTS", "1"}}),
                AllOf(HasSubstr("HOTMIC_MODELS_A_B_SLOTS could be models.a-b.slots or models.a_b.slots"),
                      HasSubstr("rename a model")));
    EXPECT_TRUE(load_text("[models.default]\n[models.a-b]\n[models.a_b]\n"));  // it is not set: nothing is unclear
}

TEST_F(SeveralModels, OnlyTheDefaultModelAnswersToWhisper1WithoutBeingTold) {
    const auto loaded = load_text("[models.default]\n[models.b]\n");
    ASSERT_TRUE(loaded) << loaded.error().describe();
    EXPECT_THAT(loaded->config.models.at("default").aliases, ElementsAre("whisper-1"));
    EXPECT_THAT(loaded->config.models.at("b").aliases, IsEmpty());
    // Another one may claim it.
    const auto claimed = load_text("[models.default]\n[models.b]\naliases = ['whisper-1']\n");
    ASSERT_TRUE(claimed) << claimed.error().describe();
    EXPECT_THAT(claimed->config.models.at("default").aliases, IsEmpty());
    EXPECT_THAT(claimed->config.models.at("b").aliases, ElementsAre("whisper-1"));
    EXPECT_TRUE(load_text("[models.default]\n[models.whisper-1]\n"));
}

TEST_F(SeveralModels, ANameLeadsToOneModelOnly) {
    EXPECT_THAT(refusal("[models.default]\naliases = ['x']\n[models.b]\naliases = ['x']\n"),
                AllOf(HasSubstr("models.default.aliases"), HasSubstr("models.b.aliases"), HasSubstr("\"x\"")));
    EXPECT_THAT(refusal("[models.default]\naliases = ['b']\n[models.b]\n"),
                AllOf(HasSubstr("models.default.aliases"), HasSubstr("the name of [models.b]")));
}

TEST_F(SeveralModels, AFallbackMustBeAnotherModelThatExists) {
    EXPECT_THAT(refusal("[models.default]\nfallback = ['tini']\n[models.tiny]\n"),
                AllOf(HasSubstr("models.default.fallback"), HasSubstr("\"tini\""), HasSubstr("did you mean tiny?")));
    EXPECT_THAT(refusal("[models.default]\nfallback = ['default']\n"), HasSubstr("the model itself"));
    EXPECT_THAT(refusal("[models.default]\nfallback = ['telepathy']\n"), HasSubstr("add [models.telepathy]"));
    EXPECT_THAT(refusal("[models.default]\nfallback = ['b', 'b']\n[models.b]\n"), HasSubstr("twice"));
}

TEST_F(SeveralModels, FallbacksDoNotLeadInACircle) {
    EXPECT_THAT(
        refusal("[models.default]\nfallback = ['b']\n[models.b]\nfallback = ['c']\n[models.c]\nfallback = ['b']\n"),
        AllOf(HasSubstr("models.c.fallback"), HasSubstr("b → c → b"), HasSubstr("break the circle")));
    // Two ways to the same model are no circle.
    EXPECT_TRUE(load_text(
        "[models.default]\nfallback = ['b', 'c']\n[models.b]\nfallback = ['d']\n[models.c]\nfallback = ['d']\n"
        "[models.d]\n"));
}

TEST_F(SeveralModels, ProblemsOfAllModelsAreTold) {
    EXPECT_THAT(refusal("[models.default]\nprovider = ''\n[models.b]\nsha256 = 'x'\n"),
                AllOf(HasSubstr("models.default.provider"), HasSubstr("models.b.sha256")));
    EXPECT_THAT(refusal("[models.default]\n[models.b]\nload = 'later'\nswap = 'never'\n"),
                AllOf(HasSubstr("2 problems"), HasSubstr("one of start, demand"), HasSubstr("one of auto, beside")));
    EXPECT_THAT(refusal("[models.default]\nsupervise.canary_latency_factor = 0.5\n"), HasSubstr("from 1 to 1000"));
    EXPECT_THAT(refusal("[models]\nb = 3\n"), HasSubstr("expected the section [models.b], found an integer"));
    EXPECT_THAT(refusal("[models.'a b']\n"), HasSubstr("use letters, digits"));
}

TEST_F(SeveralModels, TheAdminKeyIsNeverShown) {
    const auto loaded = load_text("[server]\nadmin_key = 'open-sesame'\n");
    ASSERT_TRUE(loaded) << loaded.error().describe();
    EXPECT_THAT(to_toml(*loaded) + to_json(*loaded), Not(HasSubstr("open-sesame")));
    EXPECT_THAT(refusal("[server]\nadmin_key = ['open-sesame']\napi_keys = 'swordfish'\n"),
                AllOf(HasSubstr("server.admin_key"), Not(HasSubstr("open-sesame")), Not(HasSubstr("swordfish"))));
}

TEST_F(SeveralModels, WhatIsPrintedHasEverySectionAndCanBeReadAgain) {
    const auto loaded = load_text("default_model = 'b'\n[models.a]\nload = 'demand'\n[models.b]\nfallback = ['a']\n");
    ASSERT_TRUE(loaded) << loaded.error().describe();
    auto again =
        load_text(to_toml(*loaded), {{"models.a.warmup.level", "3", "--set"}, {"models.b.warmup.level", "3", "--set"}});
    ASSERT_TRUE(again) << again.error().describe();
    EXPECT_EQ(again->model, "b");
    EXPECT_EQ(again->config.models.at("a").load, "demand");
    EXPECT_THAT(again->config.models.at("b").fallback, ElementsAre("a"));
    EXPECT_THAT(to_json(*loaded), AllOf(HasSubstr("models.a.load"), HasSubstr("models.b.load")));
}

}  // namespace
}  // namespace hotmic::config
