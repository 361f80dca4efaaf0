#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "hotmic/journal.hpp"

namespace hotmic {
namespace {

using namespace std::chrono_literals;

Transition step(std::string cause) {
    Transition transition;
    transition.cause = std::move(cause);
    return transition;
}

TEST(Journal, NumbersFromOneWithoutGaps) {
    Journal journal;
    EXPECT_EQ(journal.append(step("a")), 1u);
    EXPECT_EQ(journal.append(step("b")), 2u);
    const auto all = journal.since(0);
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[1].sequence, 2u);
    EXPECT_EQ(all[1].cause, "b");
    EXPECT_TRUE(journal.since(2).empty());
}

TEST(Journal, KeepsTheLastOnesWhenFull) {
    Journal journal(3);
    for (int i = 0; i < 10; ++i) journal.append(step(std::to_string(i)));
    const auto kept = journal.since(0);
    ASSERT_EQ(kept.size(), 3u);
    EXPECT_EQ(kept.front().sequence, 8u);
    EXPECT_EQ(journal.last_sequence(), 10u);
}

TEST(Journal, WaitingEndsAtTheDeadline) {
    const Journal journal;
    EXPECT_TRUE(journal.wait_since(0, deadline_in(1ms)).empty());
}

TEST(Journal, WaitingEndsWhenStopIsRequested) {
    const Journal journal;
    std::stop_source stop;
    std::jthread waiter([&] { EXPECT_TRUE(journal.wait_since(0, deadline_in(1h), stop.get_token()).empty()); });
    stop.request_stop();
}

TEST(Journal, ObserversSeeEveryTransitionInOrderWhileOthersAppend) {
    Journal journal;
    constexpr std::uint64_t kSteps = 2000;
    std::jthread writer([&] {
        for (std::uint64_t i = 0; i < kSteps; ++i) journal.append(step(""));
    });
    std::vector<std::jthread> observers;
    for (int i = 0; i < 3; ++i) {
        observers.emplace_back([&] {
            std::uint64_t seen = 0;
            while (seen < kSteps) {
                for (const auto& transition : journal.wait_since(seen, deadline_in(30s))) {
                    ASSERT_EQ(transition.sequence, seen + 1);
                    seen = transition.sequence;
                }
            }
        });
    }
}

}  // namespace
}  // namespace hotmic
