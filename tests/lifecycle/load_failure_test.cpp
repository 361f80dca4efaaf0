/// Loads that fail, hang or are refused, and what ModelManager does then.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "manager_fixture.hpp"

namespace hotmic {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using enum ModelState;

TEST_F(ModelManagerTest, ALoadThatOutlivesItsDeadlineIsStopped) {
    auto options = quick();
    options.load_timeout = 30ms;
    auto& manager = make("fake:load_ms=60000&steps=6000", options);
    const auto result = manager.initialize(deadline_in(kLong));
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
    const auto result = manager.initialize(deadline_in(kLong));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::load_stalled);
    EXPECT_THAT(result.error().message, HasSubstr("5 of 10 MB"));
}

TEST_F(ModelManagerTest, ASlowLoadThatProgressesIsNoStall) {
    auto options = quick();
    options.stall_timeout = 2000ms;
    auto& manager = make("fake:load_ms=300&steps=30", options);
    EXPECT_TRUE(manager.initialize(deadline_in(kLong)));
}

TEST_F(ModelManagerTest, AFailedLoadIsAnErrorWithItsCause) {
    auto& manager = make("fake:fail=load&error=model_corrupt");
    const auto result = manager.initialize(deadline_in(kLong));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::model_corrupt);
    const auto lease = manager.acquire();
    ASSERT_FALSE(lease);
    EXPECT_EQ(lease.error().code, ErrorCode::model_failed);
    EXPECT_THAT(lease.error().message, HasSubstr("told to fail"));
}

TEST_F(ModelManagerTest, APreflightRefusalReadsNothing) {
    auto& manager = make("fake:corrupt=1");
    const auto result = manager.initialize(deadline_in(kLong));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::model_corrupt);
    EXPECT_EQ(record_->loads, 0);
}

TEST_F(ModelManagerTest, ALanguageOfItsOwnThatTheModelDoesNotKnowIsToldBeforeTheLoad) {
    for (const auto& set : {+[](LifecycleOptions& options) { options.language = "de"; },
                            +[](LifecycleOptions& options) { options.languages = {"en", "de"}; }}) {
        auto options = quick();
        set(options);
        const auto made = make("fake:", options).initialize(deadline_in(kLong));
        ASSERT_FALSE(made);
        EXPECT_EQ(made.error().code, ErrorCode::config_invalid);
        EXPECT_THAT(made.error().message, HasSubstr("\"de\""));
        EXPECT_EQ(record_->loads, 0);
    }
    auto options = quick();
    options.language = "english";
    EXPECT_TRUE(make("fake:", options).initialize(deadline_in(kLong)));
}

TEST_F(ModelManagerTest, AModelThatNeedsMoreMemoryThanThereIsIsNotLoaded) {
    auto& manager = make("fake:need_mb=100000000");
    const auto result = manager.initialize(deadline_in(kLong));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::insufficient_memory);
    EXPECT_EQ(record_->loads, 0);
    EXPECT_EQ(broker_.reserved(), Bytes());
}

TEST_F(ModelManagerTest, APermanentFailureIsNotTriedAgain) {
    auto options = quick();
    options.retry = {.max_attempts = 5, .initial_backoff = 1ms};
    auto& manager = make("fake:corrupt=1", options);
    ASSERT_FALSE(manager.initialize(deadline_in(kLong)));
    EXPECT_FALSE(manager.health().retry_in);
    const auto again = manager.initialize(deadline_in(kLong));
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, ErrorCode::model_corrupt);
    EXPECT_THAT(states(), ElementsAre(loading, error));
}

TEST_F(ModelManagerTest, ATransientFailureIsRetriedUntilTheAttemptsAreUsedUp) {
    auto options = quick();
    options.retry = {.max_attempts = 3, .initial_backoff = 1ms};
    auto& manager = make("fake:fail=load", options);
    ASSERT_FALSE(manager.initialize(deadline_in(kLong)));
    const auto end = manager.wait_for_ready(deadline_in(kLong));
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().code, ErrorCode::load_failed);
    EXPECT_EQ(record_->loads, 3);
    EXPECT_THAT(states(), ElementsAre(loading, error, loading, error, loading, error));
}

TEST_F(ModelManagerTest, AskingAgainAfterTheLastAttemptBeginsANewSeries) {
    auto& manager = make("fake:fail=load");
    ASSERT_FALSE(manager.initialize(deadline_in(kLong)));
    ASSERT_FALSE(manager.initialize(deadline_in(kLong)));
    EXPECT_EQ(record_->loads, 2);
}

}  // namespace
}  // namespace hotmic
