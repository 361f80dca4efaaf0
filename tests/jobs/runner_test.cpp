#include "jobs/runner.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "temporary_folder.hpp"

namespace hotmic::jobs {
namespace {

/// What a test decides of each run, and waits for.
class RunnerTest : public ::testing::Test {
protected:
    void SetUp() override {
        store_ = JobStore::open(folder_.path() / "jobs.db", {}).value();
        recordings_.emplace(Recordings::open(folder_.path() / "recordings").value());
    }
    void TearDown() override { runner_.reset(); }

    void start(int threads, Runner::Recognize recognize) {
        runner_.emplace(*store_, *recordings_, [] { return std::chrono::system_clock::now(); });
        runner_->start(threads, {.fetch = [](const Job&, const std::stop_token&) { return Ran{Answer{}}; },
                                 .recognize = std::move(recognize),
                                 .changed = [this] { stir(); }});
    }
    void add(const std::string& id, const std::string& model = "base") {
        auto writing = recordings_->write(id).value();
        ASSERT_TRUE(writing.add(std::string_view("audio")));
        ASSERT_TRUE(writing.finish());
        ASSERT_TRUE(store_->add({.id = id,
                                 .task = "transcribe",
                                 .model = model,
                                 .recording_size = Bytes(5),
                                 .created = std::chrono::system_clock::now()}));
        if (runner_) runner_->wake();
    }
    void stir() {
        const std::scoped_lock lock(mutex_);
        stirred_.notify_all();
    }
    void note(const std::string& what) {
        const std::scoped_lock lock(mutex_);
        seen_ += what;
        stirred_.notify_all();
    }
    std::string seen() {
        const std::scoped_lock lock(mutex_);
        return seen_;
    }
    void wait_for(const std::function<bool()>& what) {
        std::unique_lock lock(mutex_);
        stirred_.wait(lock, what);
    }
    void wait_until_ended(const std::string& id) {
        wait_for([&] { return has_ended(status(id)); });
    }
    Status status(const std::string& id) { return store_->find(id).value()->status; }
    /// Until it is asked to end.
    static void wait_for_stop(const std::stop_token& stop) {
        std::mutex mutex;
        std::condition_variable_any never;
        std::unique_lock lock(mutex);
        (void)never.wait(lock, stop, [] { return false; });
    }
    static Ran cancelled() { return {fail(ErrorCode::cancelled, "the request was cancelled"), Again::model}; }

    TemporaryFolder folder_;
    std::unique_ptr<JobStore> store_;
    std::optional<Recordings> recordings_;
    std::mutex mutex_;
    std::condition_variable stirred_;
    std::string seen_;
    std::optional<Runner> runner_;
};

TEST_F(RunnerTest, RunsThemInOrderAndRemovesTheirRecordings) {
    for (const auto* id : {"a", "b", "c"}) add(id);
    start(1, [this](const Job& job, const std::shared_ptr<const MediaBytes>& media, const auto&, const auto&) {
        note(job.id);
        return Ran{Answer{"text/plain", std::to_string(media->size())}};
    });
    wait_until_ended("c");
    EXPECT_EQ(seen(), "abc");
    EXPECT_EQ(store_->answer("b").value()->body, "5");
    EXPECT_FALSE(recordings_->open_one("b"));
}

TEST_F(RunnerTest, OneThatIsCancelledEndsAndTheNextGoesOn) {
    add("a");
    start(1, [this](const Job& job, const auto&, const auto& heard, const std::stop_token& stop) {
        heard(Seconds(1.5));
        note(job.id);
        if (job.id == "b") return Ran{Answer{"text/plain", ""}};
        wait_for_stop(stop);
        return cancelled();
    });
    wait_for([&] { return seen_ == "a"; });
    EXPECT_EQ(runner_->heard("a"), Seconds(1.5));
    add("b");
    ASSERT_TRUE(store_->cancel("a", std::chrono::system_clock::now()));
    runner_->cancel("a");
    wait_until_ended("b");
    EXPECT_EQ(status("a"), Status::cancelled);
    EXPECT_EQ(runner_->heard("a"), std::nullopt);
}

TEST_F(RunnerTest, ThoseThatRunWhenItEndsWaitAgainAndThatStartDoesNotCount) {
    add("a");
    start(2, [this](const Job& job, const auto&, const auto&, const std::stop_token& stop) {
        note(job.id);
        wait_for_stop(stop);
        return cancelled();
    });
    wait_for([&] { return seen_ == "a"; });
    runner_.reset();
    EXPECT_EQ(status("a"), Status::queued);
    EXPECT_EQ(store_->find("a").value()->starts, 0);
}

TEST_F(RunnerTest, JobsOfAModelThatIsNotThereDoNotHoldUpOthers) {
    add("a", "absent");
    add("b", "absent");
    add("c");
    std::atomic<bool> there = false;
    start(1, [&](const Job& job, const auto&, const auto&, const auto&) {
        note(job.id);
        if (job.model == "absent" && !there) return Ran{fail(ErrorCode::model_not_loaded, "not yet"), Again::model};
        return Ran{Answer{"text/plain", ""}};
    });
    wait_until_ended("c");
    EXPECT_TRUE(seen().starts_with("ac")) << seen();  // b has not even been tried
    there = true;
    wait_until_ended("b");
    EXPECT_TRUE(seen().ends_with("ab")) << seen();
    EXPECT_EQ(store_->find("a").value()->starts, 1);
}

TEST_F(RunnerTest, WhatIsNotMeantToRunAgainFails) {
    add("a");
    start(1, [](const Job&, const auto&, const auto&, const auto&) {
        return Ran{fail(ErrorCode::audio_no_track, "no audio")};
    });
    wait_until_ended("a");
    EXPECT_EQ(store_->find("a").value()->error->code, ErrorCode::audio_no_track);
}

TEST_F(RunnerTest, OneWhoseStartsAreSpentFailsWithTheLastReason) {
    add("a");
    for (int i = 1; i < Job::kMostStarts; ++i) {
        const auto now = std::chrono::system_clock::now();
        ASSERT_TRUE(store_->claim(now).value());
        ASSERT_TRUE(store_->give_back("a", now, true));
    }
    start(1, [](const Job&, const auto&, const auto&, const auto&) {
        return Ran{fail(ErrorCode::model_lost, "it died"), Again::counted};
    });
    wait_until_ended("a");
    EXPECT_EQ(store_->find("a").value()->error->code, ErrorCode::model_lost);
}

}  // namespace
}  // namespace hotmic::jobs
