#include "server/executor.hpp"

#include <gmock/gmock.h>

#include <latch>

namespace hotmic::server {
namespace {

using ::testing::ElementsAre;

TEST(Executor, RunsTasksInTheirOrderAndAllOfThemBeforeItEnds) {
    std::vector<int> order;
    {
        Executor executor(1, 16);
        for (const int i : {1, 2, 3}) ASSERT_TRUE(executor.submit([&order, i] { order.push_back(i); }));
    }
    EXPECT_THAT(order, ElementsAre(1, 2, 3));
}

TEST(Executor, RefusesWhenItsQueueIsFull) {
    std::latch begun(1);
    std::latch release(1);
    int ran = 0;
    {
        Executor executor(1, 2);
        ASSERT_TRUE(executor.submit([&] {
            begun.count_down();
            release.wait();
        }));
        begun.wait();  // it has left the queue
        EXPECT_TRUE(executor.submit([&] { ++ran; }));
        EXPECT_TRUE(executor.submit([&] { ++ran; }));
        EXPECT_FALSE(executor.submit([&] { ++ran; }));
        release.count_down();
    }
    EXPECT_EQ(ran, 2);
}

TEST(Executor, RunsAsManyAtOnceAsItHasThreads) {
    std::latch together(3);  // passes only when three tasks stand at it at the same time
    Executor executor(3, 16);
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(executor.submit([&] { together.arrive_and_wait(); }));
    together.wait();
}

}  // namespace
}  // namespace hotmic::server
