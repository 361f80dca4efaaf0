/// A ready model whose worker process dies or hangs, for real.
#include <csignal>
#include <future>
#include <map>
#include <thread>

#include "hotmic/model_manager.hpp"
#include "worker_fixture.hpp"

namespace hotmic::worker {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using enum ModelState;

class SupervisionTest : public WorkerTest {
protected:
    SupervisionTest() {
        options_.warmup.level = 1;
        options_.retry = {.initial_backoff = 1ms, .max_backoff = 5ms};
        options_.cancel_grace = 100ms;
    }
    ModelManager& make(const std::string& path, const std::shared_ptr<Provider>& provider) {
        return manager_.emplace("m", ModelSpec{.provider = "fake", .path = path}, provider, options_, broker_,
                                journal_);
    }
    /// The next step to `state`.
    Transition await(ModelState state) {
        while (true) {
            const auto steps = journal_.wait_since(seen_, deadline_in(kLong));
            if (steps.empty()) {
                ADD_FAILURE() << "never " << to_string(state);
                return {};
            }
            for (const auto& step : steps) {
                seen_ = step.sequence;
                if (step.to == state) return step;
            }
        }
    }
    void TearDown() override {
        manager_.reset();
        WorkerTest::TearDown();
    }
    static Request request() { return {.audio = source_from_samples(speech())}; }

    LifecycleOptions options_;
    MemoryBroker broker_;
    Journal journal_;
    std::uint64_t seen_ = 0;
    std::optional<ModelManager> manager_;
};

TEST_F(SupervisionTest, ADeadModelIsWithdrawnAndWhoWaitsGetsTheRecoveredOne) {
    auto& manager = make("fake:", provider_);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    (void)await(ready);
    ::kill(children().front(), SIGKILL);
    EXPECT_THAT(await(error).cause, HasSubstr("SIGKILL"));
    std::promise<Result<Lease>> told;
    manager.when_ready(deadline_in(kLong), [&](Result<Lease> lease) { told.set_value(std::move(lease)); });
    const auto lease = told.get_future().get();
    ASSERT_TRUE(lease) << lease.error().message;
    EXPECT_TRUE(lease->transcribe(request()));
    EXPECT_EQ(manager.health().deaths, 1);
}

TEST_F(SupervisionTest, RequestsInFlightAndWaitingEndWithModelLost) {
    auto& manager = make("fake:slots=1&hang=infer&after=1", provider_);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    std::vector<std::promise<Result<Transcript>>> answers(3);
    {
        const auto lease = manager.acquire();
        ASSERT_TRUE(lease);
        for (auto& answer : answers) {
            lease->submit(request(), [&answer](Result<Transcript> result, const RequestTimings&) {
                answer.set_value(std::move(result));
            });
        }
    }
    ::kill(children().front(), SIGKILL);
    for (auto& answer : answers) {
        const auto result = answer.get_future().get();
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, ErrorCode::model_lost) << result.error().message;
    }
}

TEST_F(SupervisionTest, ALostInstanceIsNotLentAgain) {
    auto& manager = make("fake:", provider_);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    const auto first = manager.health().instance;
    std::promise<Result<Lease>> told;
    manager.when_ready(deadline_in(kLong), [&](Result<Lease> lease) { told.set_value(std::move(lease)); }, first);
    ::kill(children().front(), SIGKILL);
    const auto lease = told.get_future().get();
    ASSERT_TRUE(lease);
    EXPECT_NE(lease->instance_id(), first);
}

TEST_F(SupervisionTest, ACrashLoopEndsTheTryingUntilAnOperatorAsks) {
    options_.supervise.crash_loop_deaths = 3;
    auto& manager = make("fake:", provider_);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    for (int death = 1; death <= 3; ++death) {
        (void)await(ready);
        ::kill(children().front(), SIGKILL);
        (void)await(error);
    }
    const auto health = manager.health();
    ASSERT_TRUE(health.last_error);
    EXPECT_EQ(health.last_error->code, ErrorCode::crash_loop);
    EXPECT_THAT(health.reason, HasSubstr("died 3 times"));
    ASSERT_TRUE(health.retry_in);
    EXPECT_GT(*health.retry_in, Seconds(400)) << "the window, more or less";
    EXPECT_THAT(health.last_error->remedy, HasSubstr("tried again in"));
    EXPECT_EQ(manager.initialize(deadline_in(kLong)).error().code, ErrorCode::crash_loop) << "asking is not enough";
    manager.forgive();
    const auto again = manager.initialize(deadline_in(kLong));
    EXPECT_TRUE(again) << again.error().message;
    EXPECT_EQ(manager.health().deaths, 0);
}

TEST_F(SupervisionTest, AModelThatDiesAsSoonAsItIsReadyCanBeAskedForAtOnce) {
    options_.supervise.crash_loop_deaths = 1;
    auto& manager = make("fake:", provider_);
    for (int time = 0; time < 20; ++time) {
        manager.forgive();
        if (time % 2 == 0) {
            const auto made = manager.initialize(deadline_in(kLong));
            ASSERT_TRUE(made) << made.error().message;
        } else {
            manager.start();
            (void)await(ready);
        }
        ::kill(children().front(), SIGKILL);
        (void)await(error);
    }
}

TEST_F(SupervisionTest, ACrashLoopEndsByItselfAfterItsWindow) {
    options_.supervise.crash_loop_deaths = 1;
    options_.supervise.crash_loop_window = 200ms;
    auto& manager = make("fake:", provider_);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    (void)await(ready);
    ::kill(children().front(), SIGKILL);
    EXPECT_THAT(await(error).cause, HasSubstr("crash_loop"));
    (void)await(ready);
    EXPECT_TRUE(manager.acquire()->transcribe(request()));
}

/// Audio that the fake model dies under (poison=…).
Request poisonous(std::uint64_t fingerprint = 7) {
    return {.audio = source_from_samples(std::vector<float>(1600, testing::kPoison)), .fingerprint = fingerprint};
}

TEST_F(SupervisionTest, ARequestThatTwoModelsDiedUnderIsRefusedAndHeldAgainstNobodyElse) {
    options_.supervise.crash_loop_deaths = 2;
    auto& manager = make("fake:poison=crash&slots=1", provider_);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    for (int death = 1; death <= 2; ++death) {
        (void)await(ready);
        RequestTimings timings;
        const auto lost = manager.acquire()->transcribe(poisonous(), &timings);
        ASSERT_FALSE(lost);
        EXPECT_EQ(lost.error().code, ErrorCode::model_lost);
        EXPECT_TRUE(timings.died_under_it);
        (void)await(error);
    }
    (void)await(ready);  // and not crash_loop, though it died twice
    EXPECT_EQ(manager.health().deaths, 0);
    const auto refused = manager.acquire()->transcribe(poisonous());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::poison_request);
    EXPECT_THAT(refused.error().remedy, HasSubstr("not tried again for"));
    EXPECT_TRUE(manager.acquire()->transcribe(request()));
    manager.forgive();
    EXPECT_EQ(manager.acquire()->transcribe(poisonous()).error().code, ErrorCode::model_lost) << "an operator's word";
}

TEST_F(SupervisionTest, WhatOnlyWaitedOrRanBesideIsNotBlamedTwice) {
    auto& manager = make("fake:poison=crash&slots=2&infer_ms=200", provider_);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    std::map<std::uint64_t, int> deaths;  // by fingerprint; 1 is the poison
    for (int round = 0; round < 2; ++round) {
        (void)await(ready);
        std::vector<std::promise<bool>> answers(6);
        {
            const auto lease = manager.acquire();
            ASSERT_TRUE(lease);
            for (std::uint64_t i = 0; i < answers.size(); ++i) {
                auto each = i == 0 ? poisonous(1) : request();
                each.fingerprint = i + 1;
                lease->submit(std::move(each),
                              [&answer = answers[i]](const Result<Transcript>& result, const RequestTimings& timings) {
                                  answer.set_value(!result && timings.died_under_it);
                              });
            }
        }
        for (std::uint64_t i = 0; i < answers.size(); ++i) deaths[i + 1] += answers[i].get_future().get() ? 1 : 0;
        (void)await(error);
    }
    EXPECT_EQ(deaths[1], 2);
    for (std::uint64_t innocent = 2; innocent <= 6; ++innocent) EXPECT_LE(deaths[innocent], 1) << innocent;
    (void)await(ready);
    EXPECT_EQ(manager.acquire()->transcribe(poisonous(1)).error().code, ErrorCode::poison_request);
}

TEST_F(SupervisionTest, AnInferenceFarPastItsUsualTimeHangsAndIsNotWaitedForUntilTheRequestsLimit) {
    options_.supervise.hang_least = 300ms;
    auto& manager = make("fake:poison=hang&slots=1", provider_);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    (void)await(ready);
    for (int death = 1; death <= 2; ++death) {
        RequestTimings timings;
        const auto result = manager.acquire()->transcribe(poisonous(), &timings);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, ErrorCode::model_lost) << result.error().message;
        EXPECT_THAT(result.error().message, HasSubstr("usual here"));
        EXPECT_TRUE(timings.died_under_it);
        EXPECT_THAT(await(error).cause, HasSubstr("worker_hung"));
        (void)await(ready);
    }
    EXPECT_EQ(manager.acquire()->transcribe(poisonous()).error().code, ErrorCode::poison_request);
}

TEST_F(SupervisionTest, AHungCanaryIsNoticedThoughItMadeWayForARequest) {
    options_.supervise.hang_least = 500ms;
    options_.supervise.canary_interval = 10ms;
    auto& manager = make("fake:hang=infer&deaf=1&after=1&slots=1", provider_);  // the canary after the warmup hangs
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    (void)await(ready);
    while (manager.health().queue.busy == 0) std::this_thread::yield();
    const auto result = manager.acquire()->transcribe(request());  // clears the canary out of its way
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::model_lost);
    EXPECT_THAT(await(error).cause, HasSubstr("worker_hung"));
}

TEST_F(SupervisionTest, AnAnswerThatIsTooLargeIsAnErrorAndTheWorkerLives) {
    options_.warmup.level = 0;
    auto& manager = make("fake:huge=20", provider_);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    const auto worker = children().front();
    for (int i = 0; i < 3; ++i) {
        auto asked = request();
        asked.on_segment = [](const Segment&) {};
        const auto result = manager.acquire()->transcribe(std::move(asked));
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, ErrorCode::inference_failed);
        EXPECT_THAT(result.error().message, HasSubstr("at most 16777216 are taken"));
    }
    EXPECT_EQ(children().front(), worker);
    EXPECT_EQ(manager.health().deaths, 0);
}

TEST_F(SupervisionTest, OptionsThatAreTooLargeNeverReachTheWorker) {
    auto& manager = make("fake:", provider_);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    auto asked = request();
    asked.options.language = std::string(17 << 20, 'x');
    const auto result = manager.acquire()->transcribe(std::move(asked));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::invalid_request);
    EXPECT_LT(result.error().message.size(), 200U);
    EXPECT_EQ(manager.health().deaths, 0);
}

TEST_F(SupervisionTest, AWorkerThatHangsIsTreatedAsDead) {
    const auto provider =
        isolate(testing::make_fake_provider(), {.executable = kTestWorker, .heartbeat_timeout = 200ms});
    auto& manager = make("fake:", provider);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    (void)await(ready);
    ::kill(children().front(), SIGSTOP);  // the event loop stands still, the process does not end
    EXPECT_THAT(await(error).cause, ::testing::AllOf(HasSubstr("worker_hung"), HasSubstr("answered nothing")));
    (void)await(ready);
}

TEST_F(SupervisionTest, ABusyEngineIsNotAHungWorker) {
    const auto provider =
        isolate(testing::make_fake_provider(), {.executable = kTestWorker, .heartbeat_timeout = 1000ms});
    auto& manager = make("fake:infer_ms=2500", provider);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    EXPECT_TRUE(manager.acquire()->transcribe(request()));
    EXPECT_EQ(manager.health().deaths, 0);
}

TEST_F(SupervisionTest, AnInferencePastItsLimitIsCancelledThenKilled) {
    options_.request_timeout = 300ms;
    auto& manager = make("fake:hang=infer&deaf=1&after=1", provider_);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    (void)await(ready);
    const auto result = manager.acquire()->transcribe(request());
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::request_timeout) << result.error().message;
    EXPECT_THAT(await(error).cause, HasSubstr("worker_hung"));
    (void)await(ready);
}

}  // namespace
}  // namespace hotmic::worker
