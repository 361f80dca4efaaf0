#include "jobs/deliverer.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "temporary_folder.hpp"

namespace hotmic::jobs {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

class DelivererTest : public ::testing::Test {
protected:
    void SetUp() override { open(); }

    void open() {
        store_.reset();
        store_ = JobStore::open(folder_.path() / "jobs.db", {}).value();
    }
    void add_ended(const std::string& id) {
        Job job{.id = id, .task = "transcribe", .created = now_};
        job.webhook.url = "https://example.com/hook";
        ASSERT_TRUE(store_->add(job));
        ASSERT_TRUE(store_->claim(now_));
        ASSERT_TRUE(store_->end(id, Answer{"text/plain", "said"}, now_));
    }
    Deliverer deliverer() {
        return {*store_, seconds(5), [this](const Message& message, Time, const std::stop_token&) -> Result<void> {
                    sent_.push_back(message);
                    if (refusals_-- > 0)
                        return fail(ErrorCode::recording_unreachable, "it is answered with status 500");
                    return {};
                }};
    }
    std::optional<Time> deliver(Deliverer& by) {
        return by.deliver_due([this] { return now_; }, {}).value();
    }
    Webhook webhook(const std::string& id) { return store_->find(id).value()->webhook; }

    TemporaryFolder folder_;
    std::unique_ptr<JobStore> store_;
    Time now_ = Time(hours(500'000));
    int refusals_ = 0;
    std::vector<Message> sent_;
};

TEST_F(DelivererTest, TheNewsIsTheJobAndSaysTheSameEachTime) {
    add_ended("job_ab");
    refusals_ = 1;
    auto by = deliverer();
    now_ = deliver(by).value();
    EXPECT_EQ(deliver(by), std::nullopt);
    ASSERT_EQ(sent_.size(), 2U);
    EXPECT_EQ(sent_[0].id, "msg_ab");
    EXPECT_EQ(sent_[0].body, sent_[1].body);
    EXPECT_TRUE(sent_[0].body.contains(R"("type":"job.succeeded")")) << sent_[0].body;
    EXPECT_TRUE(sent_[0].body.contains(R"("id":"job_ab")")) << sent_[0].body;
    EXPECT_EQ(webhook("job_ab").state, Delivery::delivered);
    EXPECT_EQ(webhook("job_ab").attempts, 2);
}

TEST_F(DelivererTest, WaitsGrowOverHoursAndThenItIsGivenUp) {
    add_ended("a");
    refusals_ = 100;
    auto by = deliverer();
    std::vector<milliseconds> waits;
    while (const auto next = deliver(by)) {
        waits.push_back(std::chrono::duration_cast<milliseconds>(*next - now_));
        now_ = *next;
    }
    EXPECT_EQ(waits, (std::vector<milliseconds>{seconds(5), seconds(20), seconds(80), seconds(320), seconds(1280),
                                                seconds(5120), seconds(20480), hours(6), hours(6)}));
    EXPECT_EQ(sent_.size(), static_cast<std::size_t>(Deliverer::kMostAttempts));
    EXPECT_EQ(webhook("a").state, Delivery::failed);
    EXPECT_EQ(webhook("a").last_error, "it is answered with status 500");
    EXPECT_EQ(by.counts().refused, 9U);
    EXPECT_EQ(by.counts().given_up, 1U);
}

TEST_F(DelivererTest, AfterARestartItGoesOnWhereItWas) {
    add_ended("a");
    refusals_ = 2;
    auto before = deliverer();
    const auto next = deliver(before);
    open();
    auto after = deliverer();
    EXPECT_EQ(deliver(after), next);  // it is not due
    EXPECT_EQ(sent_.size(), 1U);
    now_ = *next;
    EXPECT_EQ(deliver(after), now_ + seconds(20));
    EXPECT_EQ(webhook("a").attempts, 2);
}

TEST_F(DelivererTest, WhoIsSlowToHearDoesNotKeepOthersFromHearing) {
    add_ended("a");
    add_ended("b");
    refusals_ = 1;
    auto by = deliverer();
    EXPECT_EQ(deliver(by), now_ + seconds(5));
    EXPECT_EQ(sent_.size(), 2U);
    EXPECT_EQ(webhook("b").state, Delivery::delivered);
}

}  // namespace
}  // namespace hotmic::jobs
