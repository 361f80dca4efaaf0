#include "jobs/job_store.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "temporary_folder.hpp"

namespace hotmic::jobs {
namespace {

using std::chrono::seconds;

const Time kNow = Time(std::chrono::hours(500'000));

class JobStoreTest : public ::testing::Test {
protected:
    [[nodiscard]] std::filesystem::path file() const { return folder_.path() / "jobs.db"; }
    void open(JobStore::Limits limits = {}) {
        store_.reset();
        auto opened = JobStore::open(file(), limits);
        ASSERT_TRUE(opened) << opened.error().describe();
        store_ = *std::move(opened);
    }
    static Job asked(const std::string& id, const std::string& owner = "") {
        return {.id = id,
                .owner = owner,
                .task = "transcribe",
                .model = "base",
                .fields = {{"language", "de"}, {"prompt", "a \"quote\"\n"}, {"language", "en"}},
                .file_name = "müller.wav",
                .recording_size = Bytes(100),
                .created = kNow};
    }
    Job add(const Job& job) {
        auto added = store_->add(job);
        EXPECT_TRUE(added) << added.error().describe();
        return added->job;
    }
    Job found(const std::string& id) { return store_->find(id).value().value(); }
    std::string claimed(Time now = kNow) {
        const auto job = store_->claim(now).value();
        return job ? job->id : "";
    }

    TemporaryFolder folder_;
    std::unique_ptr<JobStore> store_;
};

TEST_F(JobStoreTest, WhatWasAskedIsThereAfterItWasOpenedAgain) {
    open();
    auto job = asked("job_a", "anna");
    job.url = "https://example.com/a.mp3";
    job.webhook.url = "https://example.com/hook";
    add(job);
    open();
    const auto kept = found("job_a");
    EXPECT_EQ(kept.fields, job.fields);
    EXPECT_EQ(kept.owner, "anna");
    EXPECT_EQ(kept.file_name, "müller.wav");
    EXPECT_EQ(kept.url, job.url);
    EXPECT_EQ(kept.webhook.url, job.webhook.url);
    EXPECT_EQ(kept.webhook.state, Delivery::none);
    EXPECT_EQ(kept.created, kNow);
    EXPECT_EQ(kept.status, Status::queued);
    EXPECT_EQ(kept.position, 1U);
    EXPECT_FALSE(store_->find("job_b").value());
}

TEST_F(JobStoreTest, TheyRunInTheirOrderAndOneThatWaitsKeepsItsPlace) {
    open();
    for (const auto* id : {"a", "b", "c"}) add(asked(id));
    EXPECT_EQ(found("c").position, 3U);
    EXPECT_EQ(claimed(), "a");
    EXPECT_EQ(found("c").position, 2U);
    ASSERT_TRUE(store_->give_back("a", kNow + seconds(5), false));
    EXPECT_EQ(claimed(), "b");
    EXPECT_EQ(claimed(kNow + seconds(5)), "a");
    EXPECT_EQ(claimed(kNow + seconds(5)), "c");
    EXPECT_EQ(claimed(kNow + seconds(5)), "");
}

TEST_F(JobStoreTest, JobsOfAModelThatRestsLetOthersGoFirst) {
    open();
    add(asked("a"));
    auto other = asked("b");
    other.model = "it's \"other\"";
    add(other);
    EXPECT_EQ(store_->claim(kNow, {"base", "x"}).value()->id, "b");
    EXPECT_FALSE(store_->claim(kNow, {"base"}).value());
    EXPECT_EQ(claimed(), "a");
}

TEST_F(JobStoreTest, WhatIsDueNextIsKnown) {
    open();
    add(asked("a"));
    EXPECT_EQ(store_->next_due(kNow).value(), std::nullopt);
    EXPECT_EQ(claimed(), "a");
    ASSERT_TRUE(store_->give_back("a", kNow + seconds(5), true));
    EXPECT_EQ(store_->next_due(kNow).value(), kNow + seconds(5));
}

TEST_F(JobStoreTest, AnAnswerIsKeptAndItsRecordingIsNot) {
    open();
    add(asked("a"));
    EXPECT_EQ(claimed(), "a");
    const std::string body("text with a zero\0and more", 25);
    const auto ended = store_->end("a", Answer{"text/plain", body, "base"}, kNow + seconds(1)).value();
    EXPECT_EQ(ended.status, Status::succeeded);
    EXPECT_EQ(ended.served_by, "base");
    EXPECT_EQ(ended.recording_size, Bytes());
    open();
    const auto answer = store_->answer("a").value().value();
    EXPECT_EQ(answer.body, body);
    EXPECT_EQ(answer.content_type, "text/plain");
    EXPECT_TRUE(store_->unfinished()->empty());
    EXPECT_EQ(store_->figures()->size, Bytes(body.size()));
}

TEST_F(JobStoreTest, AFailureIsKeptWithItsCode) {
    open();
    add(asked("a"));
    EXPECT_EQ(claimed(), "a");
    ASSERT_TRUE(store_->end("a", fail(ErrorCode::audio_undecodable, "no media", "send some", "file"), kNow));
    const auto job = found("a");
    EXPECT_EQ(job.status, Status::failed);
    EXPECT_EQ(job.error->code, ErrorCode::audio_undecodable);
    EXPECT_EQ(job.error->describe(), "no media; send some");
    EXPECT_EQ(job.error->param, "file");
}

TEST_F(JobStoreTest, AJobUnderWhichTheServerDiedRunsAgainButNotForEver) {
    open();
    add(asked("a"));
    for (int starts = 1; starts <= Job::kMostStarts; ++starts) {
        EXPECT_EQ(claimed(), "a");
        open();  // as after kill -9: nothing has said what became of it
        const auto ended = store_->recover(kNow).value();
        EXPECT_EQ(ended.size(), starts == Job::kMostStarts ? 1U : 0U);
    }
    EXPECT_EQ(found("a").status, Status::failed);
    EXPECT_EQ(found("a").error->code, ErrorCode::job_abandoned);
    EXPECT_EQ(claimed(), "");
}

TEST_F(JobStoreTest, AStartThatWasTakenBackDoesNotCount) {
    open();
    add(asked("a"));
    for (int i = 0; i < 2 * Job::kMostStarts; ++i) {
        EXPECT_EQ(claimed(), "a");
        ASSERT_TRUE(store_->give_back("a", kNow, false));
    }
    EXPECT_EQ(found("a").starts, 0);
    EXPECT_EQ(claimed(), "a");
    ASSERT_TRUE(store_->give_back("a", kNow, true));
    EXPECT_EQ(found("a").starts, 1);
}

TEST_F(JobStoreTest, TheSameKeyOfTheSameOwnerIsTheSameJob) {
    open();
    auto job = asked("a", "anna");
    job.idempotency_key = "k";
    job.fingerprint = "one";
    add(job);
    job.id = "b";
    const auto again = store_->add(job).value();
    EXPECT_FALSE(again.is_new);
    EXPECT_EQ(again.job.id, "a");
    job.fingerprint = "another";
    EXPECT_EQ(store_->add(job).error().code, ErrorCode::idempotency_mismatch);
    job.owner = "bert";
    EXPECT_TRUE(store_->add(job)->is_new);
    add(asked("c", "anna"));  // no key is no key in common
    add(asked("d", "anna"));
}

TEST_F(JobStoreTest, EachOwnerSeesItsOwnNewestFirstPageByPage) {
    open();
    for (const auto* id : {"a", "b", "c", "d"}) add(asked(id, "anna"));
    add(asked("x", "bert"));
    const auto ids = [&](const JobStore::Query& query) {
        std::string all;
        const auto listed = store_->list(query).value();
        for (const auto& job : listed) all += job.id;
        return all;
    };
    EXPECT_EQ(ids({}), "xdcba");
    EXPECT_EQ(ids({.owner = "anna", .most = 3}), "dcb");
    EXPECT_EQ(ids({.owner = "anna", .before = found("b").number}), "a");
    EXPECT_EQ(claimed(), "a");
    EXPECT_EQ(ids({.status = Status::running}), "a");
}

TEST_F(JobStoreTest, JobsAndBytesAreBounded) {
    open({.jobs = 2, .size = Bytes(250)});
    add(asked("a"));
    auto large = asked("b");
    large.recording_size = Bytes(151);
    EXPECT_EQ(store_->add(large).error().code, ErrorCode::queue_full);
    EXPECT_TRUE(store_->add(large).error().message.contains("jobs.max_bytes"));
    add(asked("b"));
    EXPECT_TRUE(store_->add(asked("c")).error().message.contains("jobs.max_jobs"));
    ASSERT_TRUE(store_->cancel("a", kNow));
    ASSERT_TRUE(store_->remove("a"));
    add(asked("c"));
}

TEST_F(JobStoreTest, CancellingEndsAQueuedOneAndMarksARunningOne) {
    open();
    add(asked("a"));
    add(asked("b"));
    EXPECT_EQ(claimed(), "a");
    EXPECT_EQ(store_->cancel("b", kNow)->status, Status::cancelled);
    EXPECT_TRUE(store_->cancel("a", kNow)->cancel_requested);
    ASSERT_TRUE(store_->remove("a"));  // runs: stays
    EXPECT_EQ(found("a").status, Status::running);
    open();
    EXPECT_EQ(store_->recover(kNow)->front().status, Status::cancelled);
    EXPECT_EQ(store_->cancel("nobody", kNow).error().code, ErrorCode::job_not_found);
}

TEST_F(JobStoreTest, WhatHasEndedIsForgottenAfterAWhile) {
    open();
    add(asked("a"));
    add(asked("b"));
    EXPECT_EQ(claimed(), "a");
    ASSERT_TRUE(store_->end("a", Answer{"text/plain", "said"}, kNow));
    EXPECT_EQ(store_->expire(kNow).value(), 0);
    EXPECT_EQ(store_->expire(kNow + seconds(1)).value(), 1);
    EXPECT_FALSE(store_->answer("a").value());
    EXPECT_EQ(found("b").status, Status::queued);
}

TEST_F(JobStoreTest, ADatabaseOfALaterVersionIsRefused) {
    open();
    store_.reset();
    {
        // Where SQLite has the user's version in its file.
        std::fstream database(file(), std::ios::in | std::ios::out | std::ios::binary);
        constexpr int kWhere = 60;
        database.seekp(kWhere);
        database.write("\0\0\0\x63", 4);
    }
    const auto opened = JobStore::open(file(), {});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::job_database_unusable);
    EXPECT_TRUE(opened.error().message.contains("version 99")) << opened.error().message;
}

TEST_F(JobStoreTest, WhatIsNoDatabaseIsRefusedAndLeftAsItIs) {
    std::ofstream(file()) << std::string(5000, 'x');
    const auto opened = JobStore::open(file(), {});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::job_database_unusable);
    EXPECT_EQ(std::filesystem::file_size(file()), 5000U);
}

TEST_F(JobStoreTest, AFolderThatIsNotThereIsAnErrorOfTheDisk) {
    EXPECT_EQ(JobStore::open(folder_.path() / "none/jobs.db", {}).error().code, ErrorCode::io_error);
}

}  // namespace
}  // namespace hotmic::jobs
