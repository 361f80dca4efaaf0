#include "worker/examiner.hpp"

#include <spdlog/spdlog.h>

#include <future>
#include <thread>

#include "worker_fixture.hpp"

namespace hotmic::worker {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ExaminerTest : public WorkerTest {
protected:
    static ModelSpec spec(const std::string& path) { return {.provider = "fake", .path = path}; }
    [[nodiscard]] std::shared_ptr<Examiner> examiner(std::chrono::milliseconds patience = kLong) const {
        return std::make_shared<Examiner>(Examiner::Options{.executable = kTestWorker, .patience = patience});
    }
};

TEST_F(ExaminerTest, TellsWhatAFileIsAndLeavesNoProcess) {
    const auto provider = examined_by(examiner(), testing::make_fake_provider());
    const auto info = provider->inspect(spec("fake:need_mb=7"));
    ASSERT_TRUE(info) << info.error().message;
    EXPECT_EQ(info->kind, "fake");
    const auto needs = provider->estimate(spec("fake:need_mb=7"));
    ASSERT_TRUE(needs);
    EXPECT_EQ(needs->weights, mebibytes(7));
    EXPECT_THAT(children(), IsEmpty());
}

TEST_F(ExaminerTest, ErrorsOfTheProviderArriveAsTheyWere) {
    const auto provider = examined_by(examiner(), testing::make_fake_provider());
    const auto info = provider->inspect(spec("fake:corrupt=1"));
    ASSERT_FALSE(info);
    EXPECT_EQ(info.error().code, ErrorCode::model_corrupt);
    EXPECT_EQ(info.error().message, "the fake model was told to be corrupt");
}

TEST_F(ExaminerTest, AFileThatCrashesItsReaderIsAnError) {
    const auto asked = examiner();
    const Examiner::Session session(*asked);
    const auto answer = asked->ask(spec("fake:examine=crash"));
    ASSERT_FALSE(answer.info);
    EXPECT_EQ(answer.info.error().code, ErrorCode::model_corrupt);
    EXPECT_THAT(answer.info.error().message, HasSubstr("SIGABRT"));
    EXPECT_FALSE(answer.estimate);
    EXPECT_TRUE(asked->ask(spec("fake:")).info) << "the next one is read by another process";
}

TEST_F(ExaminerTest, AFileThatCannotBeReadInTimeIsGivenUp) {
    const auto asked = examiner(50ms);
    const auto answer = asked->ask(spec("fake:examine=hang"));
    ASSERT_FALSE(answer.info);
    EXPECT_EQ(answer.info.error().code, ErrorCode::model_file_unreadable);
}

TEST_F(ExaminerTest, ASessionKeepsOneProcess) {
    const auto asked = examiner();
    {
        const Examiner::Session session(*asked);
        EXPECT_TRUE(asked->ask(spec("fake:")).info);
        const auto first = children();
        EXPECT_THAT(first, SizeIs(1));
        EXPECT_TRUE(asked->ask(spec("fake:")).info);
        EXPECT_EQ(children(), first);
    }
    EXPECT_THAT(children(), IsEmpty());
}

TEST_F(ExaminerTest, SeveralAskAtOnce) {
    (void)spdlog::default_logger_raw();  // is made by whoever asks first
    const auto asked = examiner();
    const Examiner::Session session(*asked);
    std::vector<std::future<bool>> answers;
    for (int i = 0; i < 8; ++i)
        answers.push_back(std::async(std::launch::async, [&] { return asked->ask(spec("fake:")).info.has_value(); }));
    for (auto& each : answers) EXPECT_TRUE(each.get());
}

TEST_F(ExaminerTest, StoppedItGivesUpWhatItReads) {
    const auto asked = examiner();
    auto answer = std::async(std::launch::async, [&] { return asked->ask(spec("fake:examine=hang")); });
    while (children().empty()) std::this_thread::yield();
    asked->stop();
    const auto given_up = answer.get();
    ASSERT_FALSE(given_up.info);
    EXPECT_EQ(given_up.info.error().code, ErrorCode::load_cancelled);
    const auto later = asked->ask(spec("fake:"));
    ASSERT_FALSE(later.info);
    EXPECT_EQ(later.info.error().code, ErrorCode::load_cancelled);
}

TEST_F(ExaminerTest, AProgramThatIsNotThereIsAnError) {
    Examiner asked({.executable = "/nowhere/hotmic"});
    const auto answer = asked.ask(spec("fake:"));
    ASSERT_FALSE(answer.info);
    EXPECT_EQ(answer.info.error().code, ErrorCode::worker_start_failed);
}

}  // namespace
}  // namespace hotmic::worker
