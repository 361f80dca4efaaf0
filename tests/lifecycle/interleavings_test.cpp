/// Random interleavings of everything a manager can be asked, from many threads, over an engine that fails at random;
/// then the journal is read against the transition table.
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "hotmic/model_manager.hpp"
#include "support/fake_provider.hpp"

namespace hotmic {
namespace {

using namespace std::chrono_literals;

constexpr auto kLong = 60s;

struct Scenario {
    std::string name;
    std::string path;
    int warmup_level;
};

class Interleavings : public ::testing::TestWithParam<Scenario> {
protected:
    /// One thread's random walk. Counts requests and answers: none may be without.
    void walk(ModelManager& manager, unsigned seed) {
        std::mt19937 random(seed);
        const auto pick = [&](int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); };
        for (int step = 0; step < 60; ++step) {
            switch (pick(8)) {
                case 0:
                case 1:
                    (void)manager.initialize(deadline_in(std::chrono::milliseconds(pick(5))));
                    break;
                case 2:
                    (void)manager.wait_for_ready(deadline_in(std::chrono::milliseconds(pick(5))));
                    break;
                case 3:
                    (void)manager.unload(deadline_in(std::chrono::milliseconds(pick(10))),
                                         std::chrono::milliseconds(pick(3)));
                    break;
                case 4: {
                    const auto health = manager.health();
                    EXPECT_EQ(health.ready, health.state == ModelState::ready);
                    EXPECT_EQ(health.ready, health.reason.empty());
                    break;
                }
                default:
                    if (auto lease = manager.acquire()) {
                        std::stop_source stop;
                        Request request{.audio = source_from_samples(std::vector<float>(1600, 0.1F)),
                                        .stop = stop.get_token()};
                        ++asked_;
                        lease->submit(std::move(request),
                                      [this](Result<Transcript>, const RequestTimings&) { ++answered_; });
                        if (pick(3) == 0) stop.request_stop();
                    }
            }
        }
    }

    /// Every step is one of the table's, begins where the one before ended, and numbers have no gap.
    static void check(const Journal& journal) {
        auto state = ModelState::uninitialized;
        std::uint64_t sequence = 0;
        for (const auto& step : journal.since(0)) {
            EXPECT_EQ(step.sequence, ++sequence);
            EXPECT_EQ(step.from, state);
            EXPECT_TRUE(is_allowed(step.from, step.to)) << to_string(step.from) << " → " << to_string(step.to);
            EXPECT_FALSE(step.cause.empty());
            state = step.to;
        }
        EXPECT_EQ(state, ModelState::uninitialized) << "where a shutdown ends";
    }

    std::atomic<int> asked_ = 0;
    std::atomic<int> answered_ = 0;
};

TEST_P(Interleavings, OnlyStepsOfTheTableHappenAndEveryRequestIsAnswered) {
    for (unsigned seed = 1; seed <= 4; ++seed) {
        auto record = std::make_shared<testing::FakeRecord>();
        MemoryBroker broker;
        Journal journal(100'000);
        LifecycleOptions options;
        options.warmup.level = GetParam().warmup_level;
        options.warmup.level3_iterations = 1;
        options.warmup.budget = 20ms;
        options.load_timeout = 50ms;
        options.stall_timeout = 50ms;
        options.retry = {.max_attempts = 3, .initial_backoff = 1ms};
        options.max_waiting = 3;
        options.queue_timeout = 20ms;
        options.cancel_grace = 5s;
        {
            ModelManager manager("m", {.provider = "fake", .path = GetParam().path},
                                 testing::make_fake_provider(record), options, broker, journal);
            {
                std::vector<std::jthread> walkers;
                for (unsigned i = 0; i < 6; ++i) walkers.emplace_back([&, i] { walk(manager, seed * 100 + i); });
            }
            EXPECT_TRUE(manager.shutdown(deadline_in(kLong), 0ms));
            EXPECT_EQ(manager.initialize(deadline_in(kLong)).error().code, ErrorCode::shutting_down);
        }
        check(journal);
        EXPECT_EQ(asked_, answered_);
        EXPECT_EQ(record->models, 0) << "memory not given back";
        EXPECT_EQ(record->recognizers, 0);
        EXPECT_EQ(record->running, 0);
        EXPECT_EQ(record->wrong_thread, 0);
        EXPECT_EQ(broker.reserved(), Bytes()) << "a reservation was kept";
    }
}

INSTANTIATE_TEST_SUITE_P(Engines, Interleavings,
                         ::testing::Values(Scenario{"quick", "fake:", 1},
                                           Scenario{"two_slots", "fake:slots=2&infer_ms=1", 3},
                                           Scenario{"without_warmup", "fake:load_ms=2", 0},
                                           Scenario{"fails_to_load", "fake:fail=load&load_ms=2", 1},
                                           Scenario{"fails_to_warm", "fake:fail=infer&error=insufficient_memory", 1},
                                           Scenario{"fails_after_some", "fake:fail=infer&after=3", 2},
                                           Scenario{"hangs_while_loading", "fake:hang=load", 1},
                                           Scenario{"hangs_while_inferring", "fake:hang=infer&after=2", 1}),
                         [](const auto& scenario) { return scenario.param.name; });

}  // namespace
}  // namespace hotmic
