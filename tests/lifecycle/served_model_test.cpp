/// Swapping what a name serves: one commit, rollback, supersession, and the memory that allows it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "hotmic/served_model.hpp"
#include "support/fake_provider.hpp"

namespace hotmic {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using enum Job::State;

constexpr std::chrono::seconds kLong{60};

class ServedModelTest : public ::testing::Test {
protected:
    ModelPlan plan(const std::string& path) {
        ModelPlan made{.spec = {.provider = "fake", .path = path}, .provider = testing::make_fake_provider(record_)};
        made.options.warmup = {.level = 1, .validate = Validate::runs};
        made.options.retry.max_attempts = 1;
        made.options.drain_timeout = 20s;
        return made;
    }
    ServedModel& make(const std::string& path) {
        return *(model_ = std::make_unique<ServedModel>("m", plan(path), broker_, journal_, jobs_));
    }
    ServedModel& make_ready(const std::string& path) {
        EXPECT_TRUE(make(path).initialize(deadline_in(kLong)));
        return *model_;
    }
    Job ended(const Job& job) const {
        auto now = jobs_.find(job.id);
        for (const auto deadline = deadline_in(kLong); now->state == running && Clock::now() < deadline;) {
            std::this_thread::sleep_for(1ms);
            now = jobs_.find(job.id);
        }
        return *now;
    }
    /// Waits until the job is past `step`.
    void reached(const Job& job, std::string_view step) const {
        for (const auto deadline = deadline_in(kLong); Clock::now() < deadline; std::this_thread::sleep_for(1ms)) {
            for (const auto& version : jobs_.versions(job.id, 0)) {
                if (version.step == step) return;
            }
        }
        ADD_FAILURE() << "never " << step;
    }
    std::vector<std::string> steps(const Job& job) const {
        std::vector<std::string> all;
        for (const auto& version : jobs_.versions(job.id, 0)) all.push_back(version.step);
        return all;
    }
    std::string heard() {
        auto lease = model_->acquire();
        if (!lease) return lease.error().describe();
        auto text = lease->transcribe({.audio = source_from_samples(std::vector<float>(1600, 0.1F))});
        return text ? text->text : text.error().describe();
    }

    std::shared_ptr<testing::FakeRecord> record_ = std::make_shared<testing::FakeRecord>();
    Bytes memory_ = mebibytes(1 << 20);
    MemoryBroker broker_{[this] { return memory_; }};
    Journal journal_;
    JobBook jobs_;
    std::unique_ptr<ServedModel> model_;
};

TEST_F(ServedModelTest, ASwapServesTheNewModelAndGivesTheOldOneBack) {
    auto& model = make_ready("fake:text=old");
    EXPECT_EQ(heard(), "old");
    const auto old = model.health().instance;
    const auto job = ended(model.swap(plan("fake:text=new"), SwapStrategy::automatic));
    EXPECT_EQ(job.state, succeeded);
    EXPECT_EQ(heard(), "new");
    EXPECT_EQ(job.instance, model.health().instance);
    EXPECT_NE(job.instance, old);
    EXPECT_EQ(record_->models, 1);
    EXPECT_EQ(model.plan().spec.path, "fake:text=new");
    EXPECT_THAT(steps(job), ::testing::ElementsAre("", "loading and warming up", "draining the old model", "done"));
}

TEST_F(ServedModelTest, UntilTheCommitTheOldModelServesAndTheNewOneIsShownBeside) {
    auto& model = make_ready("fake:text=old");
    const auto job = model.swap(plan("fake:text=new&hang=load"), SwapStrategy::beside);
    reached(job, "loading and warming up");
    std::optional<Health> next;
    while (!next || next->state != ModelState::loading) next = model.successor();
    EXPECT_EQ(heard(), "old");
    EXPECT_TRUE(model.health().ready);
    EXPECT_EQ(ended(model.swap(plan("fake:text=newer"), SwapStrategy::beside)).state, succeeded);
    EXPECT_FALSE(model.successor());
}

TEST_F(ServedModelTest, AFailedSwapLeavesTheOldModelAndSaysWhy) {
    auto& model = make_ready("fake:text=old");
    const auto old = model.health().instance;
    const auto job = ended(model.swap(plan("fake:fail=load"), SwapStrategy::beside));
    EXPECT_EQ(job.state, failed);
    EXPECT_EQ(job.error.value().code, ErrorCode::load_failed);
    EXPECT_EQ(heard(), "old");
    EXPECT_EQ(model.health().instance, old);
    EXPECT_EQ(record_->models, 1);
    EXPECT_EQ(model.plan().spec.path, "fake:text=old");
}

TEST_F(ServedModelTest, ANewerSwapSupersedesOneThatStillPrepares) {
    auto& model = make_ready("fake:text=old");
    const auto first = model.swap(plan("fake:text=first&hang=load"), SwapStrategy::beside);
    reached(first, "loading and warming up");
    const auto second = model.swap(plan("fake:text=second"), SwapStrategy::beside);
    EXPECT_EQ(ended(first).state, superseded);
    EXPECT_EQ(ended(first).error.value().code, ErrorCode::superseded);
    EXPECT_EQ(ended(second).state, succeeded);
    EXPECT_EQ(heard(), "second");
    EXPECT_EQ(record_->models, 1);
}

TEST_F(ServedModelTest, ManySwapsAtOnceEndWithTheLastAndNothingElseInMemory) {
    auto& model = make_ready("fake:text=0");
    std::vector<Job> jobs;
    for (int i = 1; i <= 20; ++i) {
        jobs.push_back(model.swap(plan("fake:load_ms=5&text=" + std::to_string(i)), SwapStrategy::automatic));
    }
    for (const auto& job : jobs) EXPECT_NE(ended(job).state, failed) << ended(job).error->describe();
    EXPECT_EQ(ended(jobs.back()).state, succeeded);
    EXPECT_EQ(heard(), "20");
    EXPECT_EQ(record_->models, 1);
}

TEST_F(ServedModelTest, RequestsUnderWayFinishOnTheModelTheyBeganOn) {
    auto& model = make_ready("fake:text=old&infer_ms=50");
    auto lease = model.acquire();
    ASSERT_TRUE(lease);
    const auto job = model.swap(plan("fake:text=new"), SwapStrategy::beside);
    reached(job, "draining the old model");
    EXPECT_EQ(heard(), "new");
    auto text = lease->transcribe({.audio = source_from_samples(std::vector<float>(1600, 0.1F))});
    ASSERT_TRUE(text);
    EXPECT_EQ(text->text, "old");
    *lease = Lease();
    EXPECT_EQ(ended(job).state, succeeded);
    EXPECT_EQ(record_->models, 1);
}

TEST_F(ServedModelTest, WhereBothFitTheOldModelStaysUntilTheEndElseItGoesFirst) {
    auto& model = make_ready("fake:text=old");
    memory_ = mebibytes(400);
    const auto roomy = model.swap(plan("fake:text=new&need_mb=400"), SwapStrategy::automatic);
    EXPECT_EQ(ended(roomy).state, succeeded);
    EXPECT_THAT(steps(roomy), ::testing::Not(Contains("unloading the old model")));
    const auto tight = model.swap(plan("fake:text=newer&need_mb=401"), SwapStrategy::automatic);
    EXPECT_EQ(ended(tight).error.value().code, ErrorCode::insufficient_memory) << "what the old one had does not do";
    EXPECT_THAT(steps(tight), AllOf(Contains("unloading the old model"), Contains("loading the old model again")));
    EXPECT_EQ(heard(), "new");
    const auto explicitly = model.swap(plan("fake:text=newer&need_mb=401"), SwapStrategy::beside);
    EXPECT_EQ(ended(explicitly).error.value().code, ErrorCode::insufficient_memory);
    EXPECT_THAT(steps(explicitly), ::testing::Not(Contains("unloading the old model")));
}

TEST_F(ServedModelTest, AReplacementThatFailsBringsTheOldModelBack) {
    auto& model = make_ready("fake:text=old");
    const auto job = ended(model.swap(plan("fake:fail=load"), SwapStrategy::replace));
    EXPECT_EQ(job.state, failed);
    EXPECT_THAT(job.error.value().message, HasSubstr("the old model serves again"));
    EXPECT_EQ(heard(), "old");
    EXPECT_EQ(record_->models, 1);
    EXPECT_THAT(steps(job), AllOf(Contains("unloading the old model"), Contains("loading the old model again")));
}

TEST_F(ServedModelTest, ASupersededReplacementLeavesTheRestoringToTheOneAfterIt) {
    auto& model = make_ready("fake:text=old");
    const auto first = model.swap(plan("fake:hang=load"), SwapStrategy::replace);
    reached(first, "loading and warming up");
    const auto second = model.swap(plan("fake:fail=load&load_ms=50"), SwapStrategy::beside);
    for (bool over = false; !over; over = jobs_.find(second.id)->state != running) {
        const auto lease = model.acquire();
        ASSERT_TRUE(lease || lease.error().code != ErrorCode::shutting_down) << "the server does not stop";
    }
    EXPECT_EQ(ended(first).state, superseded);
    EXPECT_EQ(ended(second).state, failed);
    EXPECT_EQ(heard(), "old");
}

TEST_F(ServedModelTest, EndingCancelsWhatIsBeingPrepared) {
    auto& model = make_ready("fake:text=old");
    const auto job = model.swap(plan("fake:hang=load"), SwapStrategy::beside);
    reached(job, "loading and warming up");
    ASSERT_TRUE(model.shutdown(deadline_in(kLong)));
    EXPECT_EQ(ended(job).error.value().code, ErrorCode::shutting_down);
    EXPECT_EQ(ended(model.swap(plan("fake:"), SwapStrategy::beside)).error.value().code, ErrorCode::shutting_down);
    model_.reset();
    EXPECT_EQ(record_->models, 0);
}

TEST_F(ServedModelTest, WhoeverWaitsGetsTheModelThatCameMeanwhile) {
    auto& model = make("fake:hang=load");
    model.start();
    std::promise<Result<Lease>> told;
    model.when_ready(deadline_in(kLong), [&](Result<Lease> lease) { told.set_value(std::move(lease)); });
    EXPECT_EQ(ended(model.swap(plan("fake:text=new"), SwapStrategy::beside)).state, succeeded);
    auto lease = told.get_future().get();
    ASSERT_TRUE(lease) << lease.error().describe();
    EXPECT_EQ(lease->instance_id(), model.health().instance);
}

/// Promise 1, under load: not one request is refused, and none is answered by a model that was not READY.
TEST_F(ServedModelTest, NoRequestIsLostWhileModelsComeAndGo) {
    auto& model = make_ready("fake:text=a&slots=4");
    std::atomic<bool> over = false;
    std::atomic<int> answered = 0;
    std::atomic<int> failures = 0;
    std::vector<std::jthread> clients;
    for (int i = 0; i < 8; ++i) {
        clients.emplace_back([&] {
            while (!over) {
                const auto text = heard();
                ++(text == "a" || text == "b" ? answered : failures);
            }
        });
    }
    for (int i = 0; i < 50; ++i) {
        const auto job =
            model.swap(plan(i % 2 == 0 ? "fake:text=b&slots=4" : "fake:text=a&slots=4"), SwapStrategy::beside);
        EXPECT_EQ(ended(job).state, succeeded);
    }
    over = true;
    clients.clear();
    EXPECT_EQ(failures, 0);
    EXPECT_GT(answered, 50);
    EXPECT_EQ(record_->models, 1);
}

TEST_F(ServedModelTest, JobsLoadWarmAndRelease) {
    auto& model = make("fake:text=old&slots=2");
    EXPECT_EQ(ended(model.load()).state, succeeded);
    const auto before = record_->inferences.load();
    EXPECT_EQ(ended(model.warm()).state, succeeded);
    EXPECT_EQ(record_->inferences, before + 2) << "one on every slot";
    EXPECT_EQ(model.health().requests, 0U) << "that is no use of the model";
    EXPECT_EQ(ended(model.release()).state, succeeded);
    EXPECT_EQ(model.health().state, ModelState::uninitialized);
    EXPECT_EQ(ended(model.warm()).state, succeeded);
    EXPECT_TRUE(model.health().ready);
}

TEST_F(ServedModelTest, AnUnloadIsNotUndoneByASwapThatStillPrepares) {
    auto& model = make_ready("fake:text=old");
    const auto swap = model.swap(plan("fake:text=new&load_ms=60000"), SwapStrategy::beside);
    reached(swap, "loading and warming up");
    EXPECT_EQ(ended(model.release()).state, succeeded);
    EXPECT_EQ(ended(swap).state, superseded);
    EXPECT_EQ(model.health().state, ModelState::uninitialized);
    EXPECT_EQ(record_->models, 0);
}

TEST_F(ServedModelTest, ALoadThatFailsIsAFailedJobWithItsCause) {
    auto& model = make("fake:fail=load");
    const auto job = ended(model.load());
    EXPECT_EQ(job.state, failed);
    EXPECT_EQ(job.error.value().code, ErrorCode::load_failed);
}

TEST(JobBookTest, KeepsTheNewestEndedJobsAndEveryRunningOne) {
    JobBook book(2);
    const auto running_one = book.open("load", "m");
    std::vector<std::string> ids;
    for (int i = 0; i < 4; ++i) {
        auto job = book.open("load", "m");
        job.state = succeeded;
        book.update(job);
        ids.push_back(job.id);
    }
    EXPECT_TRUE(book.find(running_one.id));
    EXPECT_FALSE(book.find(ids[0]));
    EXPECT_TRUE(book.find(ids[3]));
    EXPECT_EQ(book.versions(ids[3], 0).size(), 2U);
    EXPECT_EQ(book.versions(ids[3], 1).front().state, succeeded);
    EXPECT_TRUE(book.versions(ids[3], 2).empty());
    EXPECT_TRUE(book.versions("job-none", 0).empty());
}

class TurnsTest : public ServedModelTest {
protected:
    MemoryBroker one_at_a_time_{[] { return mebibytes(1 << 20); }, 1};
};

TEST_F(TurnsTest, TwoLoadsTakeTurnsAndTheOneThatWaitsSaysSo) {
    ServedModel first("first", plan("fake:hang=load"), one_at_a_time_, journal_, jobs_);
    auto waits = plan("fake:");
    waits.options.stall_timeout = 20ms;  // which its wait is not under
    first.start();
    while (record_->loads == 0) std::this_thread::sleep_for(1ms);
    ServedModel second("second", waits, one_at_a_time_, journal_, jobs_);
    EXPECT_EQ(second.initialize(deadline_in(50ms)).error().code, ErrorCode::wait_timeout);
    EXPECT_THAT(second.health().reason, HasSubstr("waits for others"));
    EXPECT_EQ(record_->loads, 1);
    ASSERT_TRUE(first.unload(deadline_in(kLong)));
    EXPECT_TRUE(second.initialize(deadline_in(kLong)));
}

TEST_F(TurnsTest, WaitingForATurnEndsWithAnUnload) {
    ServedModel first("first", plan("fake:hang=load"), one_at_a_time_, journal_, jobs_);
    first.start();
    while (record_->loads == 0) std::this_thread::sleep_for(1ms);
    ServedModel second("second", plan("fake:"), one_at_a_time_, journal_, jobs_);
    second.start();
    EXPECT_TRUE(second.unload(deadline_in(kLong)));
    EXPECT_EQ(record_->loads, 1);
}

}  // namespace
}  // namespace hotmic
