#include "server/service_reporter.hpp"

#include <gmock/gmock.h>

#include <latch>

#include "support/fake_provider.hpp"

namespace hotmic::server {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// Keeps whoever runs its task there, until it is let go.
class Hold {
public:
    auto task() {
        return [this] {
            held_.count_down();
            free_.wait();
        };
    }
    void await() { held_.wait(); }
    void let_go() { free_.count_down(); }

private:
    std::latch held_{1};
    std::latch free_{1};
};

/// A model "default", loops that run, and a reporter that is stepped by hand, with times that are made up.
class ServiceReport : public ::testing::Test {
protected:
    static constexpr auto kPatience = std::chrono::seconds(60);

    ServiceReport() {
        LifecycleOptions options;
        options.warmup.level = 0;
        options.retry.max_attempts = 1;
        ModelPlan plan{.spec = {.provider = "fake", .path = "fake:"},
                       .provider = hotmic::testing::make_fake_provider(),
                       .options = options};
        std::vector<CatalogEntry> entries;
        entries.push_back(
            {.name = "default",
             .model = std::make_unique<ServedModel>("default", std::move(plan), memory_, journal_, jobs_)});
        catalog_.emplace(std::move(entries), jobs_);
        running_ = std::jthread([this] { loops_.run(); });
    }
    ~ServiceReport() override { loops_.stop(); }

    ServedModel& model() { return *catalog_->entries()[0]->model; }
    ServiceReporter reporter(std::chrono::microseconds watchdog = 0us) {
        return ServiceReporter(
            {.tell = [this](const std::string& lines) { told_.push_back(lines); }, .watchdog = watchdog}, *catalog_,
            journal_, loops_);
    }
    /// What a step tells; nothing is "".
    std::string step(ServiceReporter& reporter, Clock::duration after) {
        told_.clear();
        reporter.step(began_ + after);
        EXPECT_LE(told_.size(), 1U);
        return told_.empty() ? "" : told_[0];
    }
    /// Steps on until what is told has this in it; the loops and the watch answer when they get to it.
    std::string until(ServiceReporter& reporter, Clock::duration& at, const std::string& wanted) {
        const auto deadline = Clock::now() + kPatience;
        while (Clock::now() < deadline) {
            at += 1s;
            const auto lines = step(reporter, at);
            if (lines.contains(wanted)) return lines;
            std::this_thread::yield();
        }
        return "never " + wanted;
    }

    /// How often it tells so in 200 intervals. Once may be for what was asked before.
    int signs_of_life(ServiceReporter& reporter, Clock::duration& at) {
        int signs = 0;
        for (int i = 0; i < 200; ++i) {
            signs += step(reporter, at += 1s).contains("WATCHDOG=1") ? 1 : 0;
            std::this_thread::yield();
        }
        return signs;
    }

    const Clock::time_point began_ = Clock::now();
    std::vector<std::string> told_;
    Journal journal_;
    JobBook jobs_;
    MemoryBroker memory_{[] { return mebibytes(1 << 20); }};
    std::optional<ModelCatalog> catalog_;
    http::Loops loops_{2};
    std::jthread running_;
};

TEST_F(ServiceReport, ReadyIsToldOnceAndNoTimeIsAskedForAfterwards) {
    auto reporter = this->reporter();
    EXPECT_THAT(step(reporter, 0s), AllOf(HasSubstr("EXTEND_TIMEOUT_USEC=30000000\n"), Not(HasSubstr("READY=1")),
                                          HasSubstr("STATUS=default: UNINITIALIZED\n")));
    EXPECT_EQ(step(reporter, 9s), "");
    EXPECT_EQ(step(reporter, 11s), "EXTEND_TIMEOUT_USEC=30000000\n");
    ASSERT_TRUE(model().initialize(deadline_in(kPatience)));
    EXPECT_EQ(step(reporter, 12s), "READY=1\nSTATUS=default: READY\n");
    EXPECT_EQ(step(reporter, 100s), "");
    ASSERT_TRUE(model().unload(deadline_in(kPatience)));
    EXPECT_EQ(step(reporter, 200s), "STATUS=default: UNINITIALIZED\n") << "it was ready: systemd has no way back";
}

TEST_F(ServiceReport, AModelWithoutHopeIsNotWaitedFor) {
    auto reporter = this->reporter();
    ASSERT_FALSE(model().initialize(deadline_in(0ms)));  // wait_timeout: it is on its way
    ASSERT_TRUE(model().shutdown(deadline_in(kPatience)));
    ModelPlan plan{.spec = {.provider = "fake", .path = "fake:fail=load&error=model_corrupt"},
                   .provider = hotmic::testing::make_fake_provider()};
    plan.options.warmup.level = 0;
    ASSERT_TRUE(catalog_->add(
        {.name = "broken", .model = std::make_unique<ServedModel>("broken", plan, memory_, journal_, jobs_)}));
    ASSERT_FALSE(catalog_->find("broken").value()->model->initialize(deadline_in(kPatience)));
    EXPECT_THAT(step(reporter, 0s), AllOf(HasSubstr("broken: ERROR, "), Not(HasSubstr("EXTEND_TIMEOUT_USEC"))));
}

TEST_F(ServiceReport, ALoopThatIsStuckIsNotAlive) {
    auto reporter = this->reporter(4s);
    Clock::duration at = 0s;
    EXPECT_THAT(step(reporter, at), HasSubstr("WATCHDOG=1\n"));
    EXPECT_EQ(step(reporter, 900ms), "");
    EXPECT_THAT(until(reporter, at, "WATCHDOG=1"), HasSubstr("WATCHDOG=1\n"));
    for (auto* loop : loops_.all()) {
        Hold hold;
        loop->post(hold.task());
        hold.await();
        EXPECT_LE(signs_of_life(reporter, at), 1);
        hold.let_go();
        EXPECT_THAT(until(reporter, at, "WATCHDOG=1"), HasSubstr("WATCHDOG=1\n"));
    }
}

TEST_F(ServiceReport, AModelWhoseWatchIsStuckIsNotAlive) {
    auto reporter = this->reporter(4s);
    ASSERT_TRUE(model().initialize(deadline_in(kPatience)));
    Clock::duration at = 0s;
    EXPECT_THAT(until(reporter, at, "WATCHDOG=1"), HasSubstr("WATCHDOG=1\n"));
    EXPECT_THAT(until(reporter, at, "WATCHDOG=1"), HasSubstr("WATCHDOG=1\n"));
    Hold hold;
    model().when_ready(deadline_in(kPatience),
                       [task = hold.task()](const Result<Lease>&) { task(); });  // called by the watch
    hold.await();
    EXPECT_LE(signs_of_life(reporter, at), 1);
    hold.let_go();
    EXPECT_THAT(until(reporter, at, "WATCHDOG=1"), HasSubstr("WATCHDOG=1\n"));
}

TEST_F(ServiceReport, WhoDoesNotMoveIsNamed) {
    Liveness liveness(loops_, *catalog_);
    EXPECT_THAT(liveness.silent(), IsEmpty());
    Hold hold;
    loops_.all()[2]->post(hold.task());
    hold.await();
    liveness.ask();
    const auto deadline = Clock::now() + kPatience;
    while (liveness.silent().size() > 1 && Clock::now() < deadline) std::this_thread::yield();
    EXPECT_THAT(liveness.silent(), ElementsAre("I/O loop 2"));
    hold.let_go();
    while (!liveness.silent().empty() && Clock::now() < deadline) std::this_thread::yield();
    EXPECT_THAT(liveness.silent(), IsEmpty());
}

TEST_F(ServiceReport, AReloadIsToldOnlyOfAServerThatWasReady) {
    auto reporter = this->reporter();
    reporter.reloading();
    reporter.reloaded("");
    EXPECT_THAT(told_, IsEmpty());
    ASSERT_TRUE(model().initialize(deadline_in(kPatience)));
    (void)step(reporter, 0s);
    told_.clear();
    reporter.reloading();
    reporter.step(began_ + 1s);
    reporter.reloaded("it is\nwrong");
    EXPECT_THAT(told_, ElementsAre(AllOf(HasSubstr("RELOADING=1\n"), HasSubstr("MONOTONIC_USEC=")),
                                   "READY=1\nSTATUS=it is wrong\n"));
    EXPECT_EQ(step(reporter, 2s), "STATUS=it is wrong; default: READY\n");
}

TEST_F(ServiceReport, AfterTheEndHasBegunNothingElseIsTold) {
    auto reporter = this->reporter();
    reporter.stopping(5s);
    EXPECT_THAT(told_, ElementsAre("STOPPING=1\nEXTEND_TIMEOUT_USEC=5000000\nSTATUS=shutting down\n"));
    ASSERT_TRUE(model().initialize(deadline_in(kPatience)));
    EXPECT_EQ(step(reporter, 20s), "");
    reporter.reloading();
    reporter.reloaded("");
    EXPECT_THAT(told_, IsEmpty());
}

}  // namespace
}  // namespace hotmic::server
