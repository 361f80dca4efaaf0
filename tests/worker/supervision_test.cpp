/// A ready model whose worker process dies or hangs, for real.
#include <csignal>
#include <future>
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
            const auto steps = journal_.wait_since(seen_, in(kLong));
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
    ASSERT_TRUE(manager.initialize(in(kLong)));
    (void)await(ready);
    ::kill(children().front(), SIGKILL);
    EXPECT_THAT(await(error).cause, HasSubstr("SIGKILL"));
    std::promise<Result<Lease>> told;
    manager.when_ready(in(kLong), [&](Result<Lease> lease) { told.set_value(std::move(lease)); });
    const auto lease = told.get_future().get();
    ASSERT_TRUE(lease) << lease.error().message;
    EXPECT_TRUE(lease->transcribe(request()));
    EXPECT_EQ(manager.health().deaths, 1);
}

TEST_F(SupervisionTest, RequestsInFlightAndWaitingEndWithModelLost) {
    auto& manager = make("fake:slots=1&hang=infer&after=1", provider_);
    ASSERT_TRUE(manager.initialize(in(kLong)));
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
    ASSERT_TRUE(manager.initialize(in(kLong)));
    const auto first = manager.health().instance;
    std::promise<Result<Lease>> told;
    manager.when_ready(in(kLong), [&](Result<Lease> lease) { told.set_value(std::move(lease)); }, first);
    ::kill(children().front(), SIGKILL);
    const auto lease = told.get_future().get();
    ASSERT_TRUE(lease);
    EXPECT_NE(lease->instance_id(), first);
}

TEST_F(SupervisionTest, ACrashLoopEndsTheTryingUntilAnOperatorAsks) {
    options_.supervise.crash_loop_deaths = 3;
    auto& manager = make("fake:", provider_);
    ASSERT_TRUE(manager.initialize(in(kLong)));
    for (int death = 1; death <= 3; ++death) {
        (void)await(ready);
        ::kill(children().front(), SIGKILL);
        (void)await(error);
    }
    const auto health = manager.health();
    ASSERT_TRUE(health.last_error);
    EXPECT_EQ(health.last_error->code, ErrorCode::crash_loop);
    EXPECT_THAT(health.reason, HasSubstr("died 3 times"));
    EXPECT_FALSE(health.retry_in_seconds);
    EXPECT_EQ(manager.initialize(in(kLong)).error().code, ErrorCode::crash_loop) << "asking is not enough";
    manager.forgive();
    EXPECT_TRUE(manager.initialize(in(kLong)));
    EXPECT_EQ(manager.health().deaths, 0);
}

TEST_F(SupervisionTest, AWorkerThatHangsIsTreatedAsDead) {
    const auto provider =
        isolate(testing::make_fake_provider(), {.executable = kTestWorker, .heartbeat_timeout = 200ms});
    auto& manager = make("fake:", provider);
    ASSERT_TRUE(manager.initialize(in(kLong)));
    (void)await(ready);
    ::kill(children().front(), SIGSTOP);  // the event loop stands still, the process does not end
    EXPECT_THAT(await(error).cause, ::testing::AllOf(HasSubstr("worker_hung"), HasSubstr("answered nothing")));
    (void)await(ready);
}

TEST_F(SupervisionTest, ABusyEngineIsNotAHungWorker) {
    const auto provider =
        isolate(testing::make_fake_provider(), {.executable = kTestWorker, .heartbeat_timeout = 1000ms});
    auto& manager = make("fake:infer_ms=2500", provider);
    ASSERT_TRUE(manager.initialize(in(kLong)));
    EXPECT_TRUE(manager.acquire()->transcribe(request()));
    EXPECT_EQ(manager.health().deaths, 0);
}

TEST_F(SupervisionTest, AnInferencePastItsLimitIsCancelledThenKilled) {
    options_.request_timeout = 300ms;
    auto& manager = make("fake:hang=infer&deaf=1&after=1", provider_);
    ASSERT_TRUE(manager.initialize(in(kLong)));
    (void)await(ready);
    const auto result = manager.acquire()->transcribe(request());
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::request_timeout) << result.error().message;
    EXPECT_THAT(await(error).cause, HasSubstr("worker_hung"));
    (void)await(ready);
}

}  // namespace
}  // namespace hotmic::worker
