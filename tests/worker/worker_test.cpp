/// Models in worker processes: real processes, real signals.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <future>
#include <thread>

#include "audio/clip.hpp"
#include "hotmic/model_manager.hpp"
#include "worker/channel.hpp"
#include "worker/process.hpp"
#include "worker_fixture.hpp"

namespace hotmic::worker {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

TEST_F(WorkerTest, LoadsReportsProgressAndRecognizes) {
    const auto model = load("fake:load_ms=100&text=hello");
    ASSERT_TRUE(model) << model.error().message;
    EXPECT_EQ((*model)->info().name, "fake");
    EXPECT_EQ(progress_.snapshot().done, progress_.snapshot().total);
    EXPECT_GT(progress_.snapshot().total, Bytes());
    EXPECT_GT((*model)->resident(), mebibytes(1));
    const auto recognizer = (*model)->make_recognizer();
    ASSERT_TRUE(recognizer);
    std::vector<std::string> segments;
    const auto transcript = (*recognizer)
                                ->transcribe(speech(), {.word_timestamps = true},
                                             [&](const Segment& s) { segments.push_back(s.text); }, {});
    ASSERT_TRUE(transcript);
    EXPECT_EQ(transcript->text, "hello");
    EXPECT_EQ(transcript->duration, Seconds(1));
    EXPECT_THAT(segments, ::testing::ElementsAre("hello"));
    EXPECT_EQ(transcript->segments.at(0).words.at(0).text, "hello");
}

TEST_F(WorkerTest, ErrorsOfTheEngineArriveAsTheyWere) {
    const auto model = load("fake:fail=load&error=model_corrupt");
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().code, ErrorCode::model_corrupt);
    EXPECT_EQ(model.error().message, "the fake provider was told to fail here");
}

TEST_F(WorkerTest, SlotsWorkAtOnce) {
    const auto model = load("fake:slots=2&meet=2");  // alone, neither would ever come back
    ASSERT_TRUE(model);
    const auto use = [&] {
        const auto recognizer = (*model)->make_recognizer();
        ASSERT_TRUE(recognizer);
        for (int i = 0; i < 5; ++i) EXPECT_TRUE((*recognizer)->transcribe(speech(), {}, {}, {}));
    };
    const std::jthread one(use);
    const std::jthread two(use);
}

TEST_F(WorkerTest, TenMinutesOfAudioCross) {
    const auto model = load("fake:");
    ASSERT_TRUE(model);
    const auto recognizer = (*model)->make_recognizer();
    ASSERT_TRUE(recognizer);
    const auto transcript = (*recognizer)->transcribe(std::vector<float>(600 * kSampleRate), {}, {}, {});
    ASSERT_TRUE(transcript);
    EXPECT_EQ(transcript->duration, Seconds(600));
}

TEST_F(WorkerTest, MoreThanAnHourInOnePieceIsRefusedAndTheModelLivesOn) {
    const auto model = load("fake:");
    ASSERT_TRUE(model);
    const auto recognizer = (*model)->make_recognizer();
    ASSERT_TRUE(recognizer);
    const auto transcript = (*recognizer)->transcribe(std::vector<float>(3601 * kSampleRate), {}, {}, {});
    ASSERT_FALSE(transcript);
    EXPECT_EQ(transcript.error().code, ErrorCode::audio_too_long);
    EXPECT_TRUE((*recognizer)->transcribe(speech(), {}, {}, {}));
}

struct Crash {
    std::string how;
    std::string says;
};
class CrashTest : public WorkerTest, public ::testing::WithParamInterface<Crash> {};

TEST_P(CrashTest, WhileLoadingIsAnErrorValue) {
    const auto model = load("fake:crash=load&how=" + GetParam().how);
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().code, ErrorCode::worker_crashed);
    EXPECT_THAT(model.error().message, HasSubstr(GetParam().says));
    EXPECT_THAT(model.error().message, HasSubstr("while loading"));
}

TEST_P(CrashTest, UnderARequestIsALostModelToldOnce) {
    const auto model = load("fake:crash=infer&how=" + GetParam().how);
    ASSERT_TRUE(model);
    std::promise<Error> told;
    (*model)->on_lost([&](const Error& error) { told.set_value(error); });  // a second call would throw
    auto recognizer = (*model)->make_recognizer();
    ASSERT_TRUE(recognizer);
    const auto transcript = (*recognizer)->transcribe(speech(), {}, {}, {});
    ASSERT_FALSE(transcript);
    EXPECT_EQ(transcript.error().code, ErrorCode::model_lost);
    EXPECT_THAT(transcript.error().message, HasSubstr(GetParam().says));
    EXPECT_EQ(told.get_future().get().code, ErrorCode::model_lost);
    const auto again = (*recognizer)->transcribe(speech(), {}, {}, {});
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, ErrorCode::model_lost);
    EXPECT_EQ((*model)->resident(), Bytes());
}

TEST_P(CrashTest, WhileASlotOpensIsALostModel) {
    const auto model = load("fake:crash=slot&how=" + GetParam().how);
    ASSERT_TRUE(model);
    const auto recognizer = (*model)->make_recognizer();
    ASSERT_FALSE(recognizer);
    EXPECT_EQ(recognizer.error().code, ErrorCode::model_lost);
}

std::vector<Crash> crashes() {
    std::vector<Crash> kinds{{"abort", "SIGABRT"}, {"exit", "code 3"}, {"kill", "SIGKILL"}};
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    kinds.push_back({"segv", "SIGSEGV"});  // a sanitizer would turn it into an exit of its own
#endif
    return kinds;
}

INSTANTIATE_TEST_SUITE_P(Kinds, CrashTest, ::testing::ValuesIn(crashes()),
                         [](const auto& kind) { return kind.param.how; });

TEST_F(WorkerTest, TheLastLinesOfTheEngineAreInTheError) {
    const auto model = load("fake:crash=load&say=GGML_ASSERT: that was too much");
    ASSERT_FALSE(model);
    EXPECT_THAT(model.error().message, HasSubstr("its last lines: GGML_ASSERT: that was too much"));
}

TEST_F(WorkerTest, AnEnginesOwnBracketsAreNotTakenForALevel) {
    const auto model = load("fake:crash=load&say=[cuda] no device");
    ASSERT_FALSE(model);
    EXPECT_THAT(model.error().message, HasSubstr("[cuda] no device"));
}

TEST_F(WorkerTest, AKillFromOutsideWhileIdleIsNoticedAtOnce) {
    const auto model = load("fake:");
    ASSERT_TRUE(model);
    std::promise<Error> told;
    (*model)->on_lost([&](const Error& error) { told.set_value(error); });
    ASSERT_EQ(children().size(), 1u);
    ::kill(children().front(), SIGKILL);
    EXPECT_THAT(told.get_future().get().message, HasSubstr("ran out of memory"));
}

TEST_F(WorkerTest, AStopDuringAHangingLoadKillsAndReaps) {
    std::stop_source stop;
    std::jthread stopper([&] {
        while (!progress_.snapshot().done) std::this_thread::yield();
        stop.request_stop();
    });
    const auto model = load("fake:hang=load&deaf=1", stop.get_token());
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().code, ErrorCode::load_cancelled);
    EXPECT_THAT(children(), ::testing::IsEmpty());
}

TEST_F(WorkerTest, AStoppedWorkerProcessCanStillBeEnded) {
    std::stop_source stop;
    std::jthread stopper([&] {
        while (!progress_.snapshot().done) std::this_thread::yield();
        ::kill(children().front(), SIGSTOP);
        stop.request_stop();
    });
    EXPECT_EQ(load("fake:hang=load", stop.get_token()).error().code, ErrorCode::load_cancelled);
}

TEST_F(WorkerTest, ARequestIsCancelledThroughTheProcessBorder) {
    const auto model = load("fake:hang=infer");
    ASSERT_TRUE(model);
    const auto recognizer = (*model)->make_recognizer();
    ASSERT_TRUE(recognizer);
    std::stop_source stop;
    std::jthread stopper([&] { stop.request_stop(); });
    const auto transcript = (*recognizer)->transcribe(speech(), {}, {}, stop.get_token());
    ASSERT_FALSE(transcript);
    EXPECT_EQ(transcript.error().code, ErrorCode::cancelled);
}

TEST_F(WorkerTest, TerminateEndsARequestThatDoesNotListen) {
    const auto model = load("fake:hang=infer&deaf=1");
    ASSERT_TRUE(model);
    const auto recognizer = (*model)->make_recognizer();
    ASSERT_TRUE(recognizer);
    std::jthread terminator([&] { (*model)->terminate(); });
    const auto transcript = (*recognizer)->transcribe(speech(), {}, {}, {});
    ASSERT_FALSE(transcript);
    EXPECT_EQ(transcript.error().code, ErrorCode::model_lost);
}

TEST_F(WorkerTest, DestroyingTheModelEndsAWorkerThatHangs) {
    const auto model = load("fake:");
    ASSERT_TRUE(model);
    ::kill(children().front(), SIGSTOP);
}

TEST_F(WorkerTest, AServerThatIgnoresItsChildrenStillLearnsOfTheirEnd) {
    const auto before = std::signal(SIGCHLD, SIG_IGN);  // as some supervisors hand it down
    {
        const auto model = load("fake:crash=infer");
        ASSERT_TRUE(model);
        const auto recognizer = (*model)->make_recognizer();
        ASSERT_TRUE(recognizer);
        const auto transcript = (*recognizer)->transcribe(speech(), {}, {}, {});
        ASSERT_FALSE(transcript);
        EXPECT_EQ(transcript.error().code, ErrorCode::model_lost);
        EXPECT_THAT(transcript.error().message, HasSubstr("SIGCHLD ignored"));
    }
    std::signal(SIGCHLD, before);
}

TEST_F(WorkerTest, AServerWithoutStandardStreamsCanIsolateToo) {
    const pid_t server = fork();
    if (server == 0) {
        for (int fd = 0; fd < 3; ++fd) ::close(fd);
        LoadProgress progress("daemon");
        const auto model = provider_->load({.provider = "fake", .path = "fake:"}, progress, {});
        if (!model) _exit(1);
        const auto recognizer = (*model)->make_recognizer();
        if (!recognizer) _exit(2);
        _exit((*recognizer)->transcribe(speech(), {}, {}, {}) ? 42 : 3);
    }
    int status = 0;
    ASSERT_EQ(waitpid(server, &status, 0), server);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 42);
}

TEST_F(WorkerTest, AProgramThatCannotBeStartedIsNamed) {
    const auto provider = isolate(testing::make_fake_provider(), {.executable = "/nonexistent/hotmic"});
    const auto model = provider->load({.provider = "fake", .path = "fake:"}, progress_, {});
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().code, ErrorCode::worker_start_failed);
    EXPECT_THAT(model.error().message, HasSubstr("/nonexistent/hotmic"));
}

TEST_F(WorkerTest, AProgramThatIsNoWorkerIsACrashNotAHang) {
    const auto provider = isolate(testing::make_fake_provider(), {.executable = "/bin/echo"});
    const auto model = provider->load({.provider = "fake", .path = "fake:"}, progress_, {});
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().code, ErrorCode::worker_crashed);
    EXPECT_THAT(model.error().message, HasSubstr("exited with code 0"));
}

TEST_F(WorkerTest, AnotherBuildIsRefused) {
    std::promise<Frame> answered;
    auto process = WorkerProcess::spawn(kTestWorker, "test",
                                        {[&](const Frame& frame) {
                                             answered.set_value({.kind = frame.kind, .body = frame.body});
                                             return true;
                                         },
                                         [](bool) {}},
                                        {}, {});
    ASSERT_TRUE(process);
    EXPECT_TRUE((*process)->send(Kind::load, encode(Load{.build = "another", .provider = "fake", .path = "fake:"})));
    const auto frame = answered.get_future().get();
    EXPECT_EQ(frame.kind, Kind::failed);
    EXPECT_THAT(decode<Error>(frame)->message, HasSubstr("different builds"));
}

TEST_F(WorkerTest, AWorkerEndsWhenItsServerIsKilled) {
    int alive[2];
    ASSERT_EQ(pipe(alive), 0);
    const pid_t server = fork();
    if (server == 0) {
        // A server of its own: loads, says so, and waits to be killed.
        LoadProgress progress("orphan");
        const auto model = provider_->load({.provider = "fake", .path = "fake:"}, progress, {});
        const auto worker = children().at(0);
        (void)!write(alive[1], &worker, sizeof worker);
        pause();
        _exit(0);
    }
    pid_t worker = 0;
    ASSERT_EQ(read(alive[0], &worker, sizeof worker), static_cast<ssize_t>(sizeof worker));
    const system::Descriptor pidfd(static_cast<int>(syscall(SYS_pidfd_open, worker, 0)));
    ASSERT_TRUE(pidfd);
    ::kill(server, SIGKILL);
    ASSERT_EQ(waitpid(server, nullptr, 0), server);
    pollfd gone{pidfd.get(), POLLIN, 0};
    EXPECT_EQ(poll(&gone, 1, 60'000), 1) << "the worker outlived its server";
    close(alive[0]);
    close(alive[1]);
}

TEST_F(WorkerTest, ADestroyedModelGivesItsMemoryBack) {
    auto model = load("fake:touch_mb=200");
    ASSERT_TRUE(model);
    EXPECT_GT((*model)->resident(), mebibytes(200));
    *model = nullptr;
    EXPECT_THAT(children(), ::testing::IsEmpty());
}

TEST_F(WorkerTest, TheLifecycleIsTheSameOverAWorker) {
    MemoryBroker broker;
    Journal journal;
    LifecycleOptions options;
    options.load_timeout = 2s;
    options.retry.max_attempts = 1;
    {
        ModelManager manager("m", {.provider = "fake", .path = "fake:touch_mb=50"}, provider_, options, broker,
                             journal);
        ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
        EXPECT_GT(manager.health().resident, mebibytes(50));
        const auto report = manager.unload(deadline_in(kLong));
        ASSERT_TRUE(report);
        EXPECT_TRUE(report->process_gone);
        EXPECT_EQ(report->resident_after, Bytes());
        EXPECT_THAT(children(), ::testing::IsEmpty());
    }
    {
        ModelManager manager("m", {.provider = "fake", .path = "fake:hang=load&deaf=1"}, provider_, options, broker,
                             journal);
        const auto result = manager.initialize(deadline_in(kLong));
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, ErrorCode::load_timeout);
        EXPECT_THAT(children(), ::testing::IsEmpty()) << "at the deadline the worker is gone";
    }
    {
        ModelManager manager("m", {.provider = "fake", .path = "fake:crash=infer"}, provider_, options, broker,
                             journal);
        const auto result = manager.initialize(deadline_in(kLong));
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, ErrorCode::worker_crashed);
    }
}

TEST_F(WorkerTest, AModelThatDiesWhileServingIsWithdrawnAndLoadedAgain) {
    MemoryBroker broker;
    Journal journal;
    LifecycleOptions options;
    options.retry.initial_backoff = 1ms;
    ModelManager manager("m", {.provider = "fake", .path = "fake:"}, provider_, options, broker, journal);
    ASSERT_TRUE(manager.initialize(deadline_in(kLong)));
    ::kill(children().front(), SIGKILL);
    std::vector<ModelState> states;
    while (states.size() < 6) {
        for (const auto& step : journal.wait_since(states.size(), deadline_in(kLong))) states.push_back(step.to);
    }
    using enum ModelState;
    EXPECT_THAT(states, ::testing::ElementsAre(loading, warming_up, ready, error, loading, warming_up));
    EXPECT_TRUE(manager.wait_for_ready(deadline_in(kLong)));
}

}  // namespace
}  // namespace hotmic::worker
