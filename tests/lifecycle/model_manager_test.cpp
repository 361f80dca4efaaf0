/// Each test is a promise of include/hotmic/model_manager.hpp, broken on purpose where it can be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <future>
#include <latch>
#include <thread>

#include "audio/clip.hpp"
#include "manager_fixture.hpp"

namespace hotmic {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ModelManagerTest : public ManagerFixture {};

using enum ModelState;

TEST_F(ModelManagerTest, GoesThroughLoadingAndWarmingUpToReady) {
    auto& manager = make("fake:");
    ASSERT_TRUE(manager.initialize(in(kLong)));
    EXPECT_THAT(states(), ElementsAre(loading, warming_up, ready));
    const auto health = manager.health();
    EXPECT_TRUE(health.ready);
    EXPECT_TRUE(health.warmup_complete);
    EXPECT_EQ(health.reason, "");
    EXPECT_GT(health.load_time_ms, 0);
}

TEST_F(ModelManagerTest, WithoutWarmupGoesStraightToReadyAndSaysSo) {
    auto options = quick();
    options.warmup.level = 0;
    auto& manager = make("fake:", options);
    ASSERT_TRUE(manager.initialize(in(kLong)));
    EXPECT_THAT(states(), ElementsAre(loading, ready));
    EXPECT_FALSE(manager.health().warmup_complete);
    EXPECT_EQ(record_->inferences, 0);
}

TEST_F(ModelManagerTest, ManyConcurrentInitializesCauseOneLoad) {
    auto& manager = make("fake:load_ms=50");
    constexpr int kCallers = 50;
    std::latch together(kCallers);
    std::atomic<int> good = 0;
    {
        std::vector<std::jthread> callers;
        for (int i = 0; i < kCallers; ++i) {
            callers.emplace_back([&] {
                together.arrive_and_wait();
                good += manager.initialize(in(kLong)) ? 1 : 0;
            });
        }
    }
    EXPECT_EQ(good, kCallers);
    EXPECT_EQ(record_->loads, 1);
}

TEST_F(ModelManagerTest, TwoHundredCallersHalfOfThemImpatientAndOneOfThemAnUnload) {
    auto& manager = make("fake:load_ms=30");
    constexpr int kCallers = 200;
    std::latch together(kCallers + 1);
    std::atomic<int> answered = 0;
    {
        std::vector<std::jthread> callers;
        for (int i = 0; i < kCallers; ++i) {
            callers.emplace_back([&, impatient = i % 2 == 0] {
                together.arrive_and_wait();
                const auto result = manager.initialize(impatient ? in(1ms) : in(kLong));
                ++answered;
                if (result) return;
                const auto code = result.error().code;
                EXPECT_TRUE(code == ErrorCode::load_cancelled || (impatient && code == ErrorCode::wait_timeout))
                    << result.error().describe();
            });
        }
        callers.emplace_back([&] {
            together.arrive_and_wait();
            EXPECT_TRUE(manager.unload(in(kLong)));
        });
    }
    EXPECT_EQ(answered, kCallers);
    ASSERT_TRUE(manager.initialize(in(kLong)));
    EXPECT_LE(record_->loads, 3) << "one before the unload, one after it, one now";
    EXPECT_EQ(record_->models, 1);
}

TEST_F(ModelManagerTest, ACallersTimeoutEndsItsWaitingAndNotTheLoad) {
    auto& manager = make("fake:load_ms=100");
    const auto early = manager.initialize(in(1ms));
    ASSERT_FALSE(early);
    EXPECT_EQ(early.error().code, ErrorCode::wait_timeout);
    EXPECT_TRUE(manager.wait_for_ready(in(kLong)));
    EXPECT_EQ(record_->loads, 1);
}

TEST_F(ModelManagerTest, WaitingForReadyAsksForNothing) {
    auto& manager = make("fake:");
    const auto waited = manager.wait_for_ready(in(kLong));
    ASSERT_FALSE(waited);
    EXPECT_EQ(waited.error().code, ErrorCode::model_not_loaded);
    EXPECT_EQ(record_->loads, 0);
}

TEST_F(ModelManagerTest, ALoadThatOutlivesItsDeadlineIsStopped) {
    auto options = quick();
    options.load_timeout = 30ms;
    auto& manager = make("fake:load_ms=60000&steps=6000", options);
    const auto result = manager.initialize(in(kLong));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::load_timeout);
    EXPECT_THAT(states(), ElementsAre(loading, error));
    EXPECT_EQ(manager.health().state, error);
    EXPECT_EQ(record_->models, 0);
}

TEST_F(ModelManagerTest, ALoadWithoutSignsOfLifeIsAStallWhateverItsDeadline) {
    auto options = quick();
    options.stall_timeout = 40ms;
    auto& manager = make("fake:hang=load", options);
    const auto result = manager.initialize(in(kLong));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::load_stalled);
    EXPECT_THAT(result.error().message, HasSubstr("5 of 10 MB"));
}

TEST_F(ModelManagerTest, ASlowLoadThatProgressesIsNoStall) {
    auto options = quick();
    options.stall_timeout = 2000ms;
    auto& manager = make("fake:load_ms=300&steps=30", options);
    EXPECT_TRUE(manager.initialize(in(kLong)));
}

TEST_F(ModelManagerTest, AFailedLoadIsAnErrorWithItsCause) {
    auto& manager = make("fake:fail=load&error=model_corrupt");
    const auto result = manager.initialize(in(kLong));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::model_corrupt);
    const auto lease = manager.acquire();
    ASSERT_FALSE(lease);
    EXPECT_EQ(lease.error().code, ErrorCode::model_failed);
    EXPECT_THAT(lease.error().message, HasSubstr("told to fail"));
}

TEST_F(ModelManagerTest, APreflightRefusalReadsNothing) {
    auto& manager = make("fake:corrupt=1");
    const auto result = manager.initialize(in(kLong));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::model_corrupt);
    EXPECT_EQ(record_->loads, 0);
}

TEST_F(ModelManagerTest, ALanguageOfItsOwnThatTheModelDoesNotKnowIsToldBeforeTheLoad) {
    for (const auto& set : {+[](LifecycleOptions& options) { options.language = "de"; },
                            +[](LifecycleOptions& options) { options.languages = {"en", "de"}; }}) {
        auto options = quick();
        set(options);
        const auto made = make("fake:", options).initialize(in(kLong));
        ASSERT_FALSE(made);
        EXPECT_EQ(made.error().code, ErrorCode::config_invalid);
        EXPECT_THAT(made.error().message, HasSubstr("\"de\""));
        EXPECT_EQ(record_->loads, 0);
    }
    auto options = quick();
    options.language = "english";
    EXPECT_TRUE(make("fake:", options).initialize(in(kLong)));
}

TEST_F(ModelManagerTest, AModelThatNeedsMoreMemoryThanThereIsIsNotLoaded) {
    auto& manager = make("fake:need_mb=100000000");
    const auto result = manager.initialize(in(kLong));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::insufficient_memory);
    EXPECT_EQ(record_->loads, 0);
    EXPECT_EQ(broker_.reserved(), 0u);
}

TEST_F(ModelManagerTest, APermanentFailureIsNotTriedAgain) {
    auto options = quick();
    options.retry = {.max_attempts = 5, .initial_backoff = 1ms};
    auto& manager = make("fake:corrupt=1", options);
    ASSERT_FALSE(manager.initialize(in(kLong)));
    EXPECT_FALSE(manager.health().retry_in_seconds);
    const auto again = manager.initialize(in(kLong));
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, ErrorCode::model_corrupt);
    EXPECT_THAT(states(), ElementsAre(loading, error));
}

TEST_F(ModelManagerTest, ATransientFailureIsRetriedUntilTheAttemptsAreUsedUp) {
    auto options = quick();
    options.retry = {.max_attempts = 3, .initial_backoff = 1ms};
    auto& manager = make("fake:fail=load", options);
    ASSERT_FALSE(manager.initialize(in(kLong)));
    const auto end = manager.wait_for_ready(in(kLong));
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().code, ErrorCode::load_failed);
    EXPECT_EQ(record_->loads, 3);
    EXPECT_THAT(states(), ElementsAre(loading, error, loading, error, loading, error));
}

TEST_F(ModelManagerTest, AskingAgainAfterTheLastAttemptBeginsANewSeries) {
    auto& manager = make("fake:fail=load");
    ASSERT_FALSE(manager.initialize(in(kLong)));
    ASSERT_FALSE(manager.initialize(in(kLong)));
    EXPECT_EQ(record_->loads, 2);
}

TEST_F(ModelManagerTest, AWarmupInferenceThatFailsFailsTheInitialization) {
    auto& manager = make("fake:fail=infer");
    const auto result = manager.initialize(in(kLong));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::warmup_failed);
    EXPECT_THAT(result.error().message, HasSubstr("level 1"));
    EXPECT_THAT(states(), ElementsAre(loading, warming_up, error));
    EXPECT_EQ(record_->models, 0);
}

TEST_F(ModelManagerTest, NumbersThatAreNoneFailLevelOne) {
    auto& manager = make("fake:nan=1");
    const auto result = manager.initialize(in(kLong));
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
    ASSERT_TRUE(make("fake:text=forty two", options).initialize(in(kLong)));
    EXPECT_EQ(manager_->warmup_report()->word_error_rate, 0);
    EXPECT_NEAR(manager_->warmup_report()->clip_seconds, 0.5, 0.01);

    const auto other = make("fake:text=something else", options).initialize(in(kLong));
    ASSERT_FALSE(other);
    EXPECT_THAT(other.error().message, HasSubstr("\"forty two\""));

    options.warmup.clip_text.clear();
    ASSERT_TRUE(make("fake:text=something else", options).initialize(in(kLong)));
    EXPECT_FALSE(manager_->warmup_report()->word_error_rate) << "there is nothing to compare with";

    std::filesystem::remove(path);
    const auto missing = make("fake:", options).initialize(in(kLong));
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, ErrorCode::warmup_failed);
    EXPECT_THAT(missing.error().message, HasSubstr(path.string()));
}

TEST_F(ModelManagerTest, AModelThatHearsSomethingElseFailsLevelOneUnlessOnlyRunsIsAsked) {
    auto& strict = make("fake:text=something+else");
    const auto result = strict.initialize(in(kLong));
    ASSERT_FALSE(result);
    EXPECT_THAT(result.error().message,
                AllOf(HasSubstr(std::string(audio::builtin_clip().text)), HasSubstr("something+else")));

    auto options = quick();
    options.warmup.validate = Validate::runs;
    auto& lenient = make("fake:text=something+else", options);
    EXPECT_TRUE(lenient.initialize(in(kLong)));
}

TEST_F(ModelManagerTest, AWarmupThatHangsTimesOut) {
    auto options = quick();
    options.warmup.timeout = 40ms;
    auto& manager = make("fake:hang=infer", options);
    const auto result = manager.initialize(in(kLong));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::warmup_timeout);
}

TEST_F(ModelManagerTest, WarmButSlowerThanReadyIfIsAStatedReason) {
    auto options = quick();
    options.warmup.ready_if.rtf_p95_below = 1e-9;
    auto& manager = make("fake:", options);
    const auto result = manager.initialize(in(kLong));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::too_slow);
    EXPECT_THAT(result.error().message, HasSubstr("real-time factor"));
}

TEST_F(ModelManagerTest, LevelThreeCoversEverySlotAndReportsConvergence) {
    auto options = quick();
    options.warmup.level = 3;
    options.warmup.level3_iterations = 2;
    auto& manager = make("fake:infer_ms=60&slots=3", options);
    ASSERT_TRUE(manager.initialize(in(kLong)));
    EXPECT_EQ(record_->most_running, 3) << "all slots at once";
    const auto report = manager.warmup_report();
    ASSERT_TRUE(report);
    ASSERT_EQ(report->levels.size(), 3u);
    EXPECT_TRUE(report->levels[2].converged.has_value());
    EXPECT_GE(report->levels[2].inferences, 2 * 3 * 2) << "iterations × slots × shapes";
    EXPECT_GT(report->steady_ms, 0);
    EXPECT_GT(report->cold_penalty, 0);
    EXPECT_EQ(record_->wrong_thread, 0);
}

TEST_F(ModelManagerTest, LevelTwoTakesOneStreamStepByStepAndLevelThreeAsManyAsThereAreSlots) {
    const auto streams_at = [&](int level) {
        auto options = quick();
        options.warmup.level = level;
        auto& manager = make("fake:count=1&slots=3", options);
        EXPECT_TRUE(manager.initialize(in(kLong)));
        EXPECT_EQ(manager.health().shortfall, "");
        return manager.warmup_report()->streams.value();
    };
    const auto alone = streams_at(2);
    EXPECT_EQ(alone.step_seconds, 0.25);
    EXPECT_GT(alone.steps, 8) << "all of the clip but the first step, which is told apart";
    EXPECT_GT(alone.first_ms, 0);
    EXPECT_LE(alone.steady_ms, alone.p95_ms);
    const auto together = streams_at(3);
    EXPECT_EQ(together.steps, alone.steps + 3 * (alone.steps + 1));
    EXPECT_EQ(together.shortfall, "");
}

TEST_F(ModelManagerTest, StreamsThatFallBehindTheSpeakerAreReadyAndSayWhy) {
    for (const int level : {2, 3}) {
        auto options = quick();
        options.warmup.level = level;
        auto& manager = make("fake:count=1&stall_ms=260", options);
        ASSERT_TRUE(manager.initialize(in(kLong)));
        EXPECT_THAT(manager.health().shortfall, HasSubstr("(p95) and hears 250 ms: streams fall behind who speaks"));
    }
}

TEST_F(ModelManagerTest, TheMinimumDurationOfLevelTwoIsReachedByInferring) {
    auto options = quick();
    options.warmup.level = 2;
    options.warmup.level2_min_duration = 1s;
    auto& manager = make("fake:infer_ms=1", options);
    ASSERT_TRUE(manager.initialize(in(kLong)));
    const auto report = manager.warmup_report();
    ASSERT_TRUE(report);
    const auto& level = report->levels.at(1);
    EXPECT_GE(level.duration_ms, 1000);
    // Sleeping would leave the handful that covers one case, two shapes and the steady state.
    EXPECT_GT(level.inferences, 1 + 2 + 3);
}

TEST_F(ModelManagerTest, AnExhaustedBudgetIsNamedAndStillWarmsTheFullLength) {
    auto options = quick();
    options.warmup.level = 3;
    options.warmup.budget = 1ms;
    auto& manager = make("fake:infer_ms=5", options);
    ASSERT_TRUE(manager.initialize(in(kLong)));
    const auto report = manager.warmup_report();
    ASSERT_TRUE(report);
    EXPECT_THAT(report->budget_note, HasSubstr("budget"));
    EXPECT_FALSE(report->levels.at(1).skipped.empty());
    EXPECT_GE(report->levels.at(1).inferences, 1);
}

TEST_F(ModelManagerTest, ALeaseCanBeHadTheMomentReadyIsPublished) {
    auto& manager = make("fake:");
    std::jthread loader([&] { manager.start(); });
    await(ready);
    EXPECT_TRUE(manager.acquire());
}

TEST_F(ModelManagerTest, NotLoadedYetAndNoLongerLoadedAreDifferentErrors) {
    auto& manager = make("fake:");
    EXPECT_EQ(manager.acquire().error().code, ErrorCode::model_not_loaded);
    ASSERT_TRUE(manager.initialize(in(kLong)));
    ASSERT_TRUE(manager.unload(in(kLong)));
    EXPECT_EQ(manager.acquire().error().code, ErrorCode::model_unloaded);
}

TEST_F(ModelManagerTest, LoadsAgainAfterAnUnloadAndWorksTheSame) {
    auto& manager = make("fake:");
    for (int round = 0; round < 3; ++round) {
        ASSERT_TRUE(manager.initialize(in(kLong)));
        auto lease = manager.acquire();
        ASSERT_TRUE(lease);
        EXPECT_EQ(lease->transcribe(request())->text, audio::builtin_clip().text);
        *lease = Lease();  // before the unload, which would wait for it
        ASSERT_TRUE(manager.unload(in(kLong)));
        EXPECT_EQ(manager.health().state, uninitialized);
        EXPECT_EQ(record_->models, 0);
        EXPECT_EQ(record_->recognizers, 0);
    }
    EXPECT_EQ(record_->loads, 3);
}

TEST_F(ModelManagerTest, AnUnloadDuringALoadCancelsIt) {
    auto& manager = make("fake:hang=load");
    std::jthread waiter([&] {
        const auto result = manager.initialize(in(kLong));
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, ErrorCode::load_cancelled);
    });
    await(loading);
    EXPECT_TRUE(manager.unload(in(kLong)));
    EXPECT_THAT(states(), ElementsAre(loading, unloading, uninitialized));
}

TEST_F(ModelManagerTest, AnUnloadDuringWarmupCancelsIt) {
    auto& manager = make("fake:hang=infer");
    manager.start();
    await(warming_up);
    EXPECT_TRUE(manager.unload(in(kLong)));
    EXPECT_THAT(states(), ElementsAre(loading, warming_up, unloading, uninitialized));
    EXPECT_EQ(record_->models, 0);
}

TEST_F(ModelManagerTest, AnUnloadLetsRequestsInFlightFinish) {
    auto& manager = make("fake:infer_ms=100&after=1");
    ASSERT_TRUE(manager.initialize(in(kLong)));
    std::promise<Result<Transcript>> answered;
    {
        const auto lease = manager.acquire();
        ASSERT_TRUE(lease);
        lease->submit(request(),
                      [&](Result<Transcript> result, const RequestTimings&) { answered.set_value(std::move(result)); });
    }
    const auto report = manager.unload(in(kLong));
    ASSERT_TRUE(report);
    EXPECT_EQ(report->cancelled_requests, 0);
    EXPECT_TRUE(answered.get_future().get());
}

TEST_F(ModelManagerTest, AnUnloadOutOfPatienceCancelsWhatRunsAndWaits) {
    auto options = quick();
    options.drain_timeout = 20ms;
    auto& manager = make("fake:hang=infer&after=1", options);  // the warmup's inference passes
    ASSERT_TRUE(manager.initialize(in(kLong)));
    const auto lease = manager.acquire();
    ASSERT_TRUE(lease);
    std::vector<std::promise<Result<Transcript>>> answers(3);
    for (auto& answer : answers) {
        lease->submit(request(), [&answer](Result<Transcript> result, const RequestTimings&) {
            answer.set_value(std::move(result));
        });
    }
    const auto report = manager.unload(in(kLong));
    ASSERT_TRUE(report);
    EXPECT_EQ(report->cancelled_requests, 3);
    for (auto& answer : answers) {
        const auto result = answer.get_future().get();
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, ErrorCode::model_unloaded);
    }
    const auto late = lease->transcribe(request());
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, ErrorCode::model_unloaded);
}

TEST_F(ModelManagerTest, TwoUnloadsAtOnceAreOne) {
    auto& manager = make("fake:");
    ASSERT_TRUE(manager.initialize(in(kLong)));
    {
        std::jthread other([&] { EXPECT_TRUE(manager.unload(in(kLong))); });
        EXPECT_TRUE(manager.unload(in(kLong)));
    }
    EXPECT_THAT(states(), ElementsAre(loading, warming_up, ready, unloading, uninitialized));
}

TEST_F(ModelManagerTest, AnUnloadWithLessPatienceHurriesTheOneUnderWay) {
    auto options = quick();
    options.warmup.level = 0;
    options.drain_timeout = kLong;
    auto& manager = make("fake:hang=infer", options);
    ASSERT_TRUE(manager.initialize(in(kLong)));
    std::promise<ErrorCode> ended;
    manager.acquire()->submit(request(), [&](Result<Transcript> result, const RequestTimings&) {
        ended.set_value(result ? ErrorCode::internal : result.error().code);
    });
    std::jthread patient([&] { EXPECT_TRUE(manager.unload(in(kLong))); });
    await(ModelState::unloading);
    const auto report = manager.unload(in(kLong), 0ms);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->cancelled_requests, 1);
    EXPECT_EQ(ended.get_future().get(), ErrorCode::model_unloaded);
}

TEST_F(ModelManagerTest, AnUnloadThatTakesLongerThanItsCallerWaitsGoesOn) {
    auto& manager = make("fake:");
    ASSERT_TRUE(manager.initialize(in(kLong)));
    auto lease = manager.acquire();
    ASSERT_TRUE(lease);
    const auto report = manager.unload(in(1ms));
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, ErrorCode::unload_timeout);
    EXPECT_EQ(manager.health().state, unloading);
    *lease = Lease();
    EXPECT_TRUE(manager.unload(in(kLong)));
    EXPECT_EQ(manager.health().state, uninitialized);
}

TEST_F(ModelManagerTest, AfterShutdownNothingIsLoadedAnyMore) {
    auto& manager = make("fake:");
    ASSERT_TRUE(manager.shutdown(in(kLong)));
    const auto result = manager.initialize(in(kLong));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::shutting_down);
    EXPECT_EQ(manager.acquire().error().code, ErrorCode::shutting_down);
}

TEST_F(ModelManagerTest, AFullQueueRefusesWithItsNumbers) {
    auto options = quick();
    options.max_waiting = 2;
    auto& manager = make("fake:hang=infer&after=1", options);
    ASSERT_TRUE(manager.initialize(in(kLong)));
    const auto lease = manager.acquire();
    ASSERT_TRUE(lease);
    std::stop_source stop;
    std::atomic<int> cancelled = 0;
    const auto submit = [&] {
        auto one = request();
        one.stop = stop.get_token();
        lease->submit(std::move(one), [&](Result<Transcript> result, const RequestTimings&) {
            cancelled += !result && result.error().code == ErrorCode::cancelled ? 1 : 0;
        });
    };
    submit();
    while (manager.health().queue.busy == 0) std::this_thread::yield();
    submit();
    submit();
    const auto refused = lease->transcribe(request());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::queue_full);
    EXPECT_THAT(refused.error().message, HasSubstr("2 requests wait for 1 slot"));
    stop.request_stop();
    while (manager.health().queue.busy > 0 || manager.health().queue.waiting > 0) std::this_thread::yield();
    EXPECT_TRUE(manager.acquire());
}

TEST_F(ModelManagerTest, ARequestThatWaitsTooLongForASlotIsToldSo) {
    auto options = quick();
    options.queue_timeout = 30ms;
    options.drain_timeout = 0ms;
    auto& manager = make("fake:hang=infer&after=1", options);
    ASSERT_TRUE(manager.initialize(in(kLong)));
    const auto lease = manager.acquire();
    ASSERT_TRUE(lease);
    lease->submit(request(), [](Result<Transcript>, const RequestTimings&) {});
    while (manager.health().queue.busy == 0) std::this_thread::yield();
    const auto waited = lease->transcribe(request());
    ASSERT_FALSE(waited);
    EXPECT_EQ(waited.error().code, ErrorCode::queue_timeout);
}

TEST_F(ModelManagerTest, WhatMissesItsTargetIsReadyAllTheSameWhereThatIsAllowedAndSaysSo) {
    auto options = quick();
    options.warmup.level = 2;
    options.warmup.ready_if = {.rtf_p95_below = 1e-9, .or_degraded = true};
    auto& manager = make("fake:infer_ms=1", options);
    ASSERT_TRUE(manager.initialize(in(kLong)));
    EXPECT_THAT(manager.health().shortfall, HasSubstr("ready_if asks for less than"));
}

TEST_F(ModelManagerTest, AWarmupSlowerThanThoseBeforeItSaysByHowMuch) {
    const auto folder = std::filesystem::temp_directory_path() / std::format("hotmic-slower-{}", ::getpid());
    auto options = quick();
    options.warmup.level = 2;
    options.baseline_folder = folder;
    ASSERT_TRUE(make("fake:infer_ms=2", options).initialize(in(kLong)));
    EXPECT_EQ(manager_->health().slower, "") << "nothing to compare with";
    for (int run = 0; run < 2; ++run) ASSERT_TRUE(make("fake:infer_ms=2", options).initialize(in(kLong)));
    ASSERT_TRUE(make("fake:infer_ms=60", options).initialize(in(kLong)));
    EXPECT_THAT(manager_->health().slower, HasSubstr("slower than usual here"));
    std::filesystem::remove_all(folder);
}

TEST_F(ModelManagerTest, AnInferencePastItsLimitIsEnded) {
    auto options = quick();
    options.request_timeout = 30ms;
    options.warmup.level = 0;
    auto& manager = make("fake:hang=infer", options);
    ASSERT_TRUE(manager.initialize(in(kLong)));
    const auto result = manager.acquire()->transcribe(request());
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::request_timeout);
}

TEST_F(ModelManagerTest, TheFirstRequestIsComparedWithTheSteadyState) {
    auto options = quick();
    options.warmup.level = 2;
    auto& manager = make("fake:infer_ms=2", options);
    ASSERT_TRUE(manager.initialize(in(kLong)));
    EXPECT_EQ(manager.health().requests, 0u) << "warmup is not counted";
    ASSERT_TRUE(manager.acquire()->transcribe(request()));
    const auto health = manager.health();
    EXPECT_EQ(health.requests, 1u);
    ASSERT_TRUE(health.first_request_ratio);
    EXPECT_GT(*health.first_request_ratio, 0);
}

TEST_F(ModelManagerTest, ALoadThatIgnoresItsStopTokenHoldsNobodyUp) {
    auto options = quick();
    options.load_timeout = 20ms;
    options.cancel_grace = 20ms;
    auto& manager = make("fake:load_ms=20000&steps=1&hang=slot", options);
    const auto result = manager.initialize(in(kLong));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::load_timeout);
}

TEST_F(ModelManagerTest, EveryTransitionSaysWhyAndHowLongThePhaseBeforeLasted) {
    auto& manager = make("fake:load_ms=10");
    ASSERT_TRUE(manager.initialize(in(kLong)));
    const auto steps = journal_.since(0);
    ASSERT_EQ(steps.size(), 3u);
    for (const auto& step : steps) {
        EXPECT_EQ(step.model, "m");
        EXPECT_EQ(step.instance, steps[0].instance);
        EXPECT_FALSE(step.cause.empty());
        EXPECT_GE(step.phase.count(), 0);
    }
    EXPECT_GE(steps[1].phase, 9ms) << "LOADING took the time the load took";
}

}  // namespace
}  // namespace hotmic
