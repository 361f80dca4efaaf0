#include "config/load.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <format>

#include "config/load_fixture.hpp"
#include "config/schema.hpp"

namespace hotmic::config {
namespace {

using testing::HasSubstr;
using From = Origin::From;

using ConfigLoad = ConfigTest;

TEST_F(ConfigLoad, NothingGivenIsTheDefaultModelForOpenAiClients) {
    const auto loaded = load({.environment = {{"HOME", "/home/ada"}}});
    ASSERT_TRUE(loaded) << loaded.error().describe();
    ASSERT_EQ(loaded->config.models.size(), 1U);
    const auto& [name, model] = *loaded->config.models.begin();
    EXPECT_EQ(name, "default");
    EXPECT_THAT(model.aliases, testing::ElementsAre("whisper-1"));
    EXPECT_EQ(model.lifecycle.warmup, WarmupOptions{});
    EXPECT_EQ(loaded->config.models_dir, "/home/ada/.local/share/hotmic/models");
    EXPECT_FALSE(loaded->file);
}

TEST_F(ConfigLoad, LaterSourcesWinAndEachValueKnowsItsOwn) {
    const auto loaded =
        load_text("[server]\nport = 1001\nhost = '0.0.0.0'\nio_threads = 4\n", {{"server.port", "1003", "--port"}},
                  {{"HOTMIC_SERVER_PORT", "1002"}, {"HOTMIC_SERVER_IO_THREADS", "5"}});
    ASSERT_TRUE(loaded) << loaded.error().describe();
    EXPECT_EQ(loaded->config.server.port, 1003);
    EXPECT_EQ(loaded->config.server.io_threads, 5);
    EXPECT_EQ(loaded->config.server.host, "0.0.0.0");
    EXPECT_EQ(loaded->origins.at("server.port").from, From::flag);
    EXPECT_EQ(loaded->origins.at("server.port").where, "--port");
    EXPECT_EQ(loaded->origins.at("server.io_threads").where, "HOTMIC_SERVER_IO_THREADS");
    EXPECT_THAT(loaded->origins.at("server.host").where, testing::EndsWith("hotmic.toml:3"));
    EXPECT_EQ(loaded->origins.at("log.level").from, From::standard);
}

TEST_F(ConfigLoad, EveryKeyCanBeSetByFileEnvironmentAndFlag) {
    // A value other than the default for each key, made from its type and range.
    Config config;
    Model model;
    for (const auto& key : keys()) {
        std::string text;
        std::string toml;
        switch (kind_of(key)) {
            case Kind::boolean:
                text = toml = std::get<bool>(read(key, config, model)) ? "false" : "true";
                break;
            case Kind::integer: {
                const auto standard = read(key, config, model);
                const auto* was = std::get_if<std::int64_t>(&standard);
                const auto low = static_cast<std::int64_t>(std::max(key.range.min, 0.0));
                text = toml = std::to_string(was && *was == low ? low + 1 : low);
                break;
            }
            case Kind::number:
                text = toml = "1.0";
                break;
            case Kind::text:
                text = key.choices.empty() ? "something" : std::string(key.choices.front());
                toml = '"' + text + '"';
                break;
            case Kind::list:
                text = "one,two";
                toml = R"(["one", "two"])";
                break;
        }
        // Assigned alone, without the check for contradictions that some of these values run into.
        const auto parsed = parse_text(key, text);
        ASSERT_TRUE(parsed) << key.path << ": " << parsed.error();
        ASSERT_TRUE(assign(key, *parsed, config, model)) << key.path;
        EXPECT_EQ(read(key, config, model), *parsed) << key.path;

        const auto path = path_of(key.path, "default");
        if (key.path == "default_model") continue;  // its values are names of models; it has tests of its own
        for (const auto& outcome : {load_text(path + " = " + toml + "\n"), load_text("", {{path, text, "--set"}}),
                                    load_text("", {}, {{variable_of(path), text}})}) {
            if (outcome) {
                EXPECT_NE(outcome->origins.at(path).from, From::standard) << path;
            } else {  // refused for a contradiction, never because the key was not found or understood
                EXPECT_THAT(outcome.error().describe(),
                            testing::AllOf(HasSubstr(path), testing::Not(HasSubstr("expected")),
                                           testing::Not(HasSubstr("there is no key"))));
            }
        }
    }
}

TEST_F(ConfigLoad, EveryNumberIsInItsRangeOrRefusedByItsName) {
    int numbers = 0;
    for (const auto& key : keys()) {
        const auto kind = kind_of(key);
        if (kind != Kind::integer && kind != Kind::number) continue;
        ++numbers;
        const auto path = path_of(key.path, "default");
        const auto [least, most] = key.range;
        const double step = kind == Kind::integer ? 1 : 1e-4;
        for (const double value : {0.0, 1.0, least, most, least - step, most + step}) {
            if (!std::isfinite(value)) continue;
            const auto text = kind == Kind::integer ? std::format("{:.0f}", value) : std::format("{}", value);
            const auto loaded = load_text("", {{path, text, "--set"}});
            EXPECT_TRUE(loaded || loaded.error().describe().contains(path)) << path << " = " << text;
            EXPECT_TRUE(!loaded || (value >= least && value <= most)) << path << " = " << text << " is taken";
        }
        for (const std::string text : {"", "nan", "99999999999999999999"})
            EXPECT_THAT(refusal("", {{path, text, "--set"}}), HasSubstr(path)) << text;
    }
    EXPECT_GT(numbers, 50);
}

TEST_F(ConfigLoad, WarmupIsWrittenAsTheDesignSays) {
    const auto loaded = load_text(R"(
[models.default.warmup]
level = 3
validate = "runs"
level2.min_duration_ms = 250
level3 = { iterations = 7, min_duration_ms = 500 }
ready_if = { rtf_p95_below = 0.5, latency_p95_below_ms = 900 }
)");
    ASSERT_TRUE(loaded) << loaded.error().describe();
    const auto& warmup = loaded->config.models.at("default").lifecycle.warmup;
    EXPECT_EQ(warmup.level, 3);
    EXPECT_EQ(warmup.validate, Validate::runs);
    EXPECT_EQ(warmup.level2_min_duration.count(), 250);
    EXPECT_EQ(warmup.level3_iterations, 7);
    EXPECT_EQ(warmup.level3_min_duration.count(), 500);
    EXPECT_EQ(warmup.ready_if.rtf_p95_below, 0.5);
    EXPECT_EQ(warmup.ready_if.latency_p95_below, milliseconds(900));
}

TEST_F(ConfigLoad, AnUnknownKeyIsRefusedWithTheNearestOne) {
    EXPECT_THAT(refusal("[server]\nprot = 9000\n"),
                testing::AllOf(HasSubstr("hotmic.toml: line 2, column 8"), HasSubstr("there is no key server.prot"),
                               HasSubstr("did you mean server.port?")));
    EXPECT_THAT(refusal("port = 9000\n"), HasSubstr("did you mean server.port?"));
    EXPECT_THAT(refusal("[models.default.warmup.level3]\niteration = 4\n"),
                HasSubstr("did you mean models.default.warmup.level3.iterations?"));
    EXPECT_THAT(refusal("[telepathy]\nx = 1\n"), HasSubstr("there is no key telepathy"));
    EXPECT_THAT(refusal("", {{"server.hots", "::1", "--set"}}),
                testing::AllOf(HasSubstr("command line: --set"), HasSubstr("did you mean server.hosts?")));
}

TEST_F(ConfigLoad, AnUnknownVariableIsRefusedWithTheNearestOne) {
    EXPECT_THAT(refusal("", {}, {{"HOTMIC_SERVER_PROT", "1"}}), HasSubstr("did you mean HOTMIC_SERVER_PORT?"));
    EXPECT_THAT(refusal("[models.large]\n", {}, {{"HOTMIC_MODELS_DEFAULT_PATH", "x"}}),
                HasSubstr("HOTMIC_MODELS_DEFAULT_PATH"));
    EXPECT_TRUE(load_text("", {}, {{"HOTMIC_TEST_WHISPER_MODEL", "x"}, {"PATH", "/bin"}, {"HOTMIC_CACHE", "y"}}));
}

TEST_F(ConfigLoad, AWrongTypeNamesBothTypesAndThePlace) {
    EXPECT_THAT(refusal("[server]\nport = \"9000\"\n"),
                testing::AllOf(HasSubstr("line 2, column 8"), HasSubstr("server.port"),
                               HasSubstr("expected an integer from 0 to 65535"), HasSubstr("found a string \"9000\"")));
    EXPECT_THAT(refusal("[server]\nport = 70000\n"), HasSubstr("found an integer 70000"));
    EXPECT_THAT(refusal("[models.default]\nslots = 1.5\n"), HasSubstr("found a number with a fraction 1.5"));
    EXPECT_THAT(refusal("[server]\napi_keys = [1, 2]\n"), HasSubstr("expected a list of strings, found a list"));
    EXPECT_THAT(refusal("server = 3\n"), HasSubstr("expected the section [server], found an integer"));
    EXPECT_THAT(refusal("[log]\nlevel = \"loud\"\n"), HasSubstr("expected one of trace, debug"));
    EXPECT_THAT(refusal("[server]\nport = 2026-01-01\n"), HasSubstr("found a date"));
    EXPECT_THAT(refusal("", {}, {{"HOTMIC_SERVER_PORT", "80a"}}), HasSubstr("found \"80a\""));
    EXPECT_THAT(refusal("[models.default.warmup]\nready_if.rtf_p95_below = nan\n"), HasSubstr("expected a number"));
}

TEST_F(ConfigLoad, WhatIsNotTomlIsRefusedAtItsLine) {
    EXPECT_THAT(refusal("[server]\nport 9000\n"), HasSubstr("line 2"));
}

TEST_F(ConfigLoad, ContradictionsNameBothKeys) {
    struct Case {
        const char* text;
        const char* one;
        const char* other;
    };
    for (const auto& [text, one, other] : {
             Case{"[models.default]\nsha256 = '"
                  "0000000000000000000000000000000000000000000000000000000000000000'\n",
                  "models.default.sha256", "models.default.path"},
             Case{"[models.default.warmup]\nlevel = 2\nlevel3.iterations = 3\n", "warmup.level3.iterations",
                  "warmup.level "},
             Case{"[models.default.warmup]\nlevel3.min_duration_ms = 3\n", "warmup.level3.min_duration_ms",
                  "(by default) is 2"},
             Case{"[models.default.warmup]\nbudget_ms = 2000\ntimeout_ms = 1000\n", "warmup.budget_ms",
                  "warmup.timeout_ms"},
             Case{"[models.default.warmup]\nlevel2.min_duration_ms = 500000\n", "level2.min_duration_ms",
                  "warmup.budget_ms"},
             Case{"[models.default.warmup]\nlevel = 0\nready_if.rtf_p95_below = 1.0\n", "ready_if.rtf_p95_below",
                  "warmup.level"},
             Case{"[models.default.retry]\ninitial_backoff_ms = 9\nmax_backoff_ms = 3\n", "initial_backoff_ms",
                  "max_backoff_ms"},
             Case{"[models.default]\nstall_timeout_ms = 9\nload_timeout_ms = 3\n", "stall_timeout_ms",
                  "load_timeout_ms"},
             Case{"[server]\ndrain_delay_ms = 9\nshutdown_timeout_ms = 3\n", "drain_delay_ms", "shutdown_timeout_ms"},
             Case{"[models.default]\nprovider = 'pocketsphinx'\nbackend = 'gpu'\n", "backend", "provider"},
             Case{"[models.a]\naliases = ['a']\n", "models.a.aliases", "already names"},
             Case{"[server]\nadmin_key = 'k'\napi_keys = ['j', 'k']\n", "server.admin_key", "server.api_keys"},
         }) {
        EXPECT_THAT(refusal(text), testing::AllOf(HasSubstr(one), HasSubstr(other))) << text;
    }
}

TEST_F(ConfigLoad, FormatsAndPathsOfWorkersHaveToExistAndBeWhole) {
    EXPECT_THAT(refusal("[audio]\ncontainers = ['wav', 'wave']\n"), HasSubstr("audio.containers names wave"));
    EXPECT_THAT(refusal("[audio]\ncodecs = ['h264']\n"), HasSubstr("audio.codecs names h264"));
    EXPECT_THAT(refusal("worker_paths = ['lib']\n"), HasSubstr("worker_paths"));
    EXPECT_THAT(refusal("sandbox = 'on'\n"), HasSubstr("sandbox"));
    const auto loaded = load_text("sandbox = 'require'\n[audio]\ncontainers = ['wav']\n");
    ASSERT_TRUE(loaded) << loaded.error().describe();
    EXPECT_EQ(loaded->config.sandbox, "require");
    EXPECT_THAT(loaded->config.audio.containers, testing::ElementsAre("wav"));
}

TEST_F(ConfigLoad, ADefaultGivesWayToAValueThatWasSet) {
    const auto loaded =
        load_text("[models.default]\nload_timeout_ms = 5000\n[models.default.warmup]\ntimeout_ms = 1000\n");
    ASSERT_TRUE(loaded) << loaded.error().describe();
    const auto& lifecycle = loaded->config.models.at("default").lifecycle;
    EXPECT_EQ(lifecycle.stall_timeout.count(), 5000);
    EXPECT_EQ(lifecycle.warmup.budget.count(), 1000);
    EXPECT_THAT(loaded->origins.at("models.default.warmup.budget_ms").where, HasSubstr("timeout_ms"));
}

TEST_F(ConfigLoad, AFlagMayLowerTheLevelUnderALevelThreeFile) {
    const auto loaded = load_text("[models.default.warmup]\nlevel = 3\nlevel3.iterations = 9\n",
                                  {{"models.*.warmup.level", "1", "--level"}});
    ASSERT_TRUE(loaded) << loaded.error().describe();
    EXPECT_EQ(loaded->config.models.at("default").lifecycle.warmup.level, 1);
}

TEST_F(ConfigLoad, AllProblemsAreReportedAtOnce) {
    const auto text = refusal("[server]\nport = -1\nhots = 'x'\n[log]\nlevel = 3\n");
    EXPECT_THAT(text, testing::AllOf(HasSubstr("3 problems"), HasSubstr("server.port"), HasSubstr("server.hots"),
                                     HasSubstr("log.level")));
}

TEST_F(ConfigLoad, PathsInAFileAreRelativeToItAndOthersToTheCaller) {
    const auto loaded = load_text("[models.m]\npath = 'models/a.bin'\n");
    ASSERT_TRUE(loaded) << loaded.error().describe();
    EXPECT_EQ(loaded->model, "m");
    EXPECT_EQ(loaded->config.models.at("m").path, folder_ / "models/a.bin");
    const auto flagged = load_text("", {{"models.*.path", "models/a.bin", "--model"}});
    ASSERT_TRUE(flagged);
    EXPECT_EQ(flagged->config.models.at("default").path, "models/a.bin");
}

TEST_F(ConfigLoad, TheFirstFileOfTheSearchIsReadAndAFileAskedForMustExist) {
    const auto second = write("[server]\nport = 2\n", "second.toml");
    const auto third = write("[server]\nport = 3\n", "third.toml");
    const auto loaded = load({.search = {folder_ / "none.toml", second, third}});
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->config.server.port, 2);
    EXPECT_EQ(loaded->file, second);
    const auto missing = load({.file = folder_ / "none.toml", .file_asked_by = "--config"});
    ASSERT_FALSE(missing);
    EXPECT_THAT(missing.error().describe(), testing::AllOf(HasSubstr("--config"), HasSubstr("none.toml")));
}

TEST_F(ConfigLoad, ListsInTheEnvironmentAreCommaSeparatedOrToml) {
    const auto commas = load_text("", {}, {{"HOTMIC_SERVER_API_KEYS", "a,b"}});
    const auto toml = load_text("", {}, {{"HOTMIC_SERVER_API_KEYS", R"(["a", "b,c"])"}});
    const auto none = load_text("[server]\napi_keys = ['x']\n", {}, {{"HOTMIC_SERVER_API_KEYS", ""}});
    ASSERT_TRUE(commas && toml && none);
    EXPECT_THAT(commas->config.server.api_keys, testing::ElementsAre("a", "b"));
    EXPECT_THAT(toml->config.server.api_keys, testing::ElementsAre("a", "b,c"));
    EXPECT_THAT(none->config.server.api_keys, testing::IsEmpty());
    EXPECT_THAT(refusal("", {}, {{"HOTMIC_SERVER_API_KEYS", "[a"}}), HasSubstr("expected a list of strings"));
}

}  // namespace
}  // namespace hotmic::config
