/// What the warmup promises of a model that is READY, as ModelManager runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "audio/clip.hpp"
#include "manager_fixture.hpp"

namespace hotmic {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using enum ModelState;

TEST_F(ModelManagerTest, AWarmupInferenceThatFailsFailsTheInitialization) {
    auto& manager = make("fake:fail=infer");
    const auto result = manager.initialize(deadline_in(kLong));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::warmup_failed);
    EXPECT_THAT(result.error().message, HasSubstr("level 1"));
    EXPECT_THAT(states(), ElementsAre(loading, warming_up, error));
    EXPECT_EQ(record_->models, 0);
}

TEST_F(ModelManagerTest, NumbersThatAreNoneFailLevelOne) {
    auto& manager = make("fake:nan=1");
    const auto result = manager.initialize(deadline_in(kLong));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::warmup_failed);
    EXPECT_THAT(result.error().message, HasSubstr("not finite"));
}

TEST_F(ModelManagerTest, AClipOfOnesOwnIsWhatTheModelIsMeasuredBy) {
    const auto path = std::filesystem::temp_directory_path() / std::format("hotmic-clip-{}.wav", ::getpid());
    const auto wav = audio::encode_wav(std::vector<float>(kSampleRate / 2, 0.1F));
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(wav->data()), std::ssize(*wav));
    auto options = quick();
    options.warmup.clip = path;
    options.warmup.clip_text = "forty two";
    ASSERT_TRUE(make("fake:text=forty two", options).initialize(deadline_in(kLong)));
    EXPECT_EQ(manager_->warmup_report()->word_error_rate, 0);
    EXPECT_NEAR(manager_->warmup_report()->clip_length.count(), 0.5, 0.01);

    const auto other = make("fake:text=something else", options).initialize(deadline_in(kLong));
    ASSERT_FALSE(other);
    EXPECT_THAT(other.error().message, HasSubstr("\"forty two\""));

    options.warmup.clip_text.clear();
    ASSERT_TRUE(make("fake:text=something else", options).initialize(deadline_in(kLong)));
    EXPECT_FALSE(manager_->warmup_report()->word_error_rate) << "there is nothing to compare with";

    std::filesystem::remove(path);
    const auto missing = make("fake:", options).initialize(deadline_in(kLong));
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, ErrorCode::warmup_failed);
    EXPECT_THAT(missing.error().message, HasSubstr(path.string()));
}

TEST_F(ModelManagerTest, AModelThatHearsSomethingElseFailsLevelOneUnlessOnlyRunsIsAsked) {
    auto& strict = make("fake:text=something+else");
    const auto result = strict.initialize(deadline_in(kLong));
    ASSERT_FALSE(result);
    EXPECT_THAT(result.error().message,
                AllOf(HasSubstr(std::string(audio::builtin_clip().text)), HasSubstr("something+else")));

    auto options = quick();
    options.warmup.validate = Validate::runs;
    auto& lenient = make("fake:text=something+else", options);
    EXPECT_TRUE(lenient.initialize(deadline_in(kLong)));
}

TEST_F(ModelManagerTest, AWarmupThatHangsTimesOut) {
    auto options = quick();
    options.warmup.timeout = 40ms;
    auto& manager = make("fake:hang=infer", options);
    const auto result = manager.initialize(deadline_in(kLong));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::warmup_timeout);
}

TEST_F(ModelManagerTest, WarmButSlowerThanReadyIfIsAStatedReason) {
    auto options = quick();
    options.warmup.ready_if.rtf_p95_below = 1e-9;
    auto& manager = make("fake:", options);
    const auto result = manager.initialize(deadline_in(kLong));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::too_slow);
    EXPECT_THAT(result.error().message, HasSubstr("real-time factor"));
}

TEST_F(ModelManagerTest, LevelThreeCoversEverySlotAndReportsConvergence) {
    auto options = quick();
    options.warmup.level = 3;
    options.warmup.level3_iterations = 2;
    auto& manager = make("fake:infer_ms=60&slots=3", options);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    EXPECT_EQ(record_->most_running, 3) << "all slots at once";
    const auto report = manager.warmup_report();
    ASSERT_TRUE(report);
    ASSERT_EQ(report->levels.size(), 3u);
    EXPECT_TRUE(report->levels[2].converged.has_value());
    EXPECT_GE(report->levels[2].inferences, 2 * 3 * 2) << "iterations × slots × shapes";
    EXPECT_GT(report->steady, Seconds(0));
    EXPECT_GT(report->cold_penalty, 0);
    EXPECT_EQ(record_->wrong_thread, 0);
}

TEST_F(ModelManagerTest, LevelTwoTakesOneStreamStepByStepAndLevelThreeAsManyAsThereAreSlots) {
    const auto streams_at = [&](int level) {
        auto options = quick();
        options.warmup.level = level;
        auto& manager = make("fake:count=1&slots=3", options);
        EXPECT_TRUE(manager.initialize(deadline_in(kLong)));
        EXPECT_EQ(manager.health().shortfall, "");
        return manager.warmup_report()->streams.value();
    };
    const auto alone = streams_at(2);
    EXPECT_EQ(alone.step, Seconds(0.25));
    EXPECT_GT(alone.steps, 8) << "all of the clip but the first step, which is told apart";
    EXPECT_GT(alone.first, Seconds(0));
    EXPECT_LE(alone.steady, alone.p95);
    const auto together = streams_at(3);
    EXPECT_EQ(together.steps, alone.steps + 3 * (alone.steps + 1));
    EXPECT_EQ(together.shortfall, "");
}

TEST_F(ModelManagerTest, StreamsThatFallBehindTheSpeakerAreReadyAndSayWhy) {
    for (const int level : {2, 3}) {
        auto options = quick();
        options.warmup.level = level;
        auto& manager = make("fake:count=1&stall_ms=260", options);
        ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
        EXPECT_THAT(manager.health().shortfall, HasSubstr("(p95) and hears 250 ms: streams fall behind who speaks"));
    }
}

TEST_F(ModelManagerTest, TheMinimumDurationOfLevelTwoIsReachedByInferring) {
    auto options = quick();
    options.warmup.level = 2;
    options.warmup.level2_min_duration = 1s;
    auto& manager = make("fake:infer_ms=1", options);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    const auto report = manager.warmup_report();
    ASSERT_TRUE(report);
    const auto& level = report->levels.at(1);
    EXPECT_GE(level.duration, Seconds(1));
    // Sleeping would leave the handful that covers one case, two shapes and the steady state.
    EXPECT_GT(level.inferences, 1 + 2 + 3);
}

TEST_F(ModelManagerTest, AnExhaustedBudgetIsNamedAndStillWarmsTheFullLength) {
    auto options = quick();
    options.warmup.level = 3;
    options.warmup.budget = 1ms;
    auto& manager = make("fake:infer_ms=5", options);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    const auto report = manager.warmup_report();
    ASSERT_TRUE(report);
    EXPECT_THAT(report->budget_note, HasSubstr("budget"));
    EXPECT_FALSE(report->levels.at(1).skipped.empty());
    EXPECT_GE(report->levels.at(1).inferences, 1);
}

TEST_F(ModelManagerTest, WhatMissesItsTargetIsReadyAllTheSameWhereThatIsAllowedAndSaysSo) {
    auto options = quick();
    options.warmup.level = 2;
    options.warmup.ready_if = {.rtf_p95_below = 1e-9, .or_degraded = true};
    auto& manager = make("fake:infer_ms=1", options);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    EXPECT_THAT(manager.health().shortfall, HasSubstr("ready_if asks for less than"));
}

TEST_F(ModelManagerTest, AWarmupSlowerThanThoseBeforeItSaysByHowMuch) {
    const auto folder = std::filesystem::temp_directory_path() / std::format("hotmic-slower-{}", ::getpid());
    auto options = quick();
    options.warmup.level = 2;
    options.baseline_folder = folder;
    ASSERT_TRUE(make("fake:infer_ms=2", options).initialize(deadline_in(kLong)));
    EXPECT_EQ(manager_->health().slower, "") << "nothing to compare with";
    for (int run = 0; run < 2; ++run) ASSERT_TRUE(make("fake:infer_ms=2", options).initialize(deadline_in(kLong)));
    ASSERT_TRUE(make("fake:infer_ms=60", options).initialize(deadline_in(kLong)));
    EXPECT_THAT(manager_->health().slower, HasSubstr("slower than usual here"));
    std::filesystem::remove_all(folder);
}

TEST_F(ModelManagerTest, TheFirstRequestIsComparedWithTheSteadyState) {
    auto options = quick();
    options.warmup.level = 2;
    auto& manager = make("fake:infer_ms=2", options);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    EXPECT_EQ(manager.health().requests, 0u) << "warmup is not counted";
    ASSERT_TRUE(manager.acquire()->transcribe(request()));
    const auto health = manager.health();
    EXPECT_EQ(health.requests, 1u);
    ASSERT_TRUE(health.first_request_ratio);
    EXPECT_GT(*health.first_request_ratio, 0);
}

}  // namespace
}  // namespace hotmic
