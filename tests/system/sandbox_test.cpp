/// Each rule, by a process that gives something up and then tries it all the same.
#include "system/sandbox.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <format>
#include <fstream>
#include <functional>

#include "support/forbidden_acts.hpp"
#include "system/sanitized.hpp"

namespace hotmic::system {
namespace {

using hotmic::testing::try_act;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

struct Told {
    std::string text;
    int signal = 0;  ///< that ended it; 0: it ended by itself
};

/// What `work` returns in a process of its own, and how that ended.
Told in_a_process(const std::function<std::string()>& work) {
    int pipe[2];
    EXPECT_EQ(::pipe(pipe), 0);
    const auto child = ::fork();
    if (child == 0) {
        const auto said = work();
        (void)!::write(pipe[1], said.data(), said.size());
        ::_exit(0);
    }
    ::close(pipe[1]);
    Told told;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(pipe[0], buffer, sizeof buffer)) > 0;)
        told.text.append(buffer, static_cast<std::size_t>(got));
    ::close(pipe[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) told.signal = WTERMSIG(status);
    return told;
}

Told confined(Work work, const Reach& reach, std::string_view act) {
    return in_a_process([&]() -> std::string {
        const auto done = confine(Sandbox::require, reach, work);
        if (!done) return done.error().message;
        if (!done->empty()) return *done;
        return try_act(act);
    });
}

class Confined : public ::testing::Test {
protected:
    void SetUp() override {
        if (const auto lacks = SandboxSupport::of_kernel().lacks(); !lacks.empty()) GTEST_SKIP() << lacks;
        folder_ = fs::temp_directory_path() / std::format("hotmic-sandbox-{}", ::getpid());
        fs::create_directories(folder_ / "model");
        for (const auto* name : {"secret", "model/weights"}) std::ofstream(folder_ / name) << "x";
    }
    void TearDown() override { fs::remove_all(folder_); }

    [[nodiscard]] std::string at(const char* name) const { return (folder_ / name).string(); }

    fs::path folder_;
};

using ADecoder = Confined;
using AnEngine = Confined;

TEST_F(ADecoder, OpensNothing) {
    for (const auto& act : {"read:/etc/passwd", "read:/proc/self/environ", "write:/tmp/hotmic", "list:/", "chmod:/tmp"})
        EXPECT_EQ(confined(Work::decoding, {}, act).text, std::format("{}: Operation not permitted", act));
}

TEST_F(ADecoder, StartsNothing) {
    EXPECT_THAT(confined(Work::decoding, {}, "thread").text, HasSubstr("not permitted"));
    EXPECT_THAT(confined(Work::decoding, {}, "signal").text, HasSubstr("not permitted"));
}

TEST_F(ADecoder, EndsWhereItTriesWhatNoDecoderDoes) {
    for (const auto* act : {"socket", "local", "exec", "ptrace"}) {
        const auto told = confined(Work::decoding, {}, act);
        if (kSanitized) {
            EXPECT_THAT(told.text, HasSubstr("not permitted")) << act;
        } else {
            EXPECT_EQ(told.signal, SIGSYS) << act << " " << told.text;
        }
    }
}

TEST_F(ADecoder, TakesMemoryThatIsEitherWrittenOrRun) {
    EXPECT_EQ(confined(Work::decoding, {}, "memory:64").text, "memory:64: done");
}

TEST_F(AnEngine, ReadsItsModelAndNothingBeside) {
    const Reach reach{.readable = {folder_ / "model"}};
    const auto tried = [&](const std::string& act) { return confined(Work::inference, reach, act).text; };
    EXPECT_THAT(tried("read:" + at("model/weights")), HasSubstr(": done"));
    EXPECT_THAT(tried("list:" + at("model")), HasSubstr(": done"));
    EXPECT_THAT(tried("write:" + at("model/weights")), HasSubstr("Permission denied"));
    EXPECT_THAT(tried("write:" + at("model/new")), HasSubstr("Permission denied"));
    EXPECT_THAT(tried("read:" + at("secret")), HasSubstr("Permission denied"));
    EXPECT_THAT(tried("read:/etc/passwd"), HasSubstr("Permission denied"));
    EXPECT_THAT(tried("chmod:" + at("model/weights")), HasSubstr("not permitted"));
}

TEST_F(AnEngine, OfOneFileReadsThatFile) {
    const Reach reach{.readable = {folder_ / "model" / "weights", folder_ / "nowhere"}};
    EXPECT_THAT(confined(Work::inference, reach, "read:" + at("model/weights")).text, HasSubstr(": done"));
    EXPECT_THAT(confined(Work::inference, reach, "list:" + at("model")).text, HasSubstr("Permission denied"));
}

TEST_F(AnEngine, WritesWhereItMay) {
    const Reach reach{.writable = {folder_ / "model"}};
    EXPECT_THAT(confined(Work::inference, reach, "write:" + at("model/new")).text, HasSubstr(": done"));
    EXPECT_THAT(confined(Work::inference, reach, "write:" + at("secret")).text, HasSubstr("Permission denied"));
}

TEST_F(AnEngine, HasThreadsAndNoProcessesNetworksOrOthersMemory) {
    EXPECT_EQ(confined(Work::inference, {}, "thread").text, "thread: done");
    for (const auto* act : {"socket", "local", "exec", "fork", "ptrace", "signal"})
        EXPECT_THAT(confined(Work::inference, {}, act).text, HasSubstr("not permitted")) << act;
}

TEST_F(AnEngine, EndsItselfByAnySignal) {
    EXPECT_EQ(confined(Work::inference, {}, "crash").signal, SIGABRT);
}

TEST_F(Confined, PrivilegesAreGoneForGood) {
    const auto told = in_a_process([]() -> std::string {
        if (!confine(Sandbox::require, {.readable = {"/proc"}}, Work::inference)) return "failed";
        std::ifstream status("/proc/self/status");
        return {std::istreambuf_iterator<char>(status), {}};
    });
    EXPECT_THAT(told.text, HasSubstr("NoNewPrivs:\t1"));
    EXPECT_THAT(told.text, HasSubstr("Seccomp:\t2"));
    EXPECT_THAT(told.text, HasSubstr("CapInh:\t0000000000000000"));
    EXPECT_THAT(told.text,
                ::testing::AnyOf(HasSubstr("CapEff:\t0000000000000000"), HasSubstr("CapEff:\t0000000000000004")));
}

TEST_F(Confined, OffGivesNothingUp) {
    const auto told = in_a_process(
        []() -> std::string { return confine(Sandbox::off, {}, Work::decoding) ? try_act("socket") : "failed"; });
    EXPECT_EQ(told.text, "socket: done");
}

TEST(SandboxSupport, WhatIsMissingIsToldAndRefusedWhereItIsRequired) {
    constexpr SandboxSupport nothing{};
    EXPECT_THAT(nothing.lacks(), HasSubstr("no seccomp"));
    EXPECT_THAT(nothing.lacks(), HasSubstr("no Landlock"));
    EXPECT_THAT((SandboxSupport{.seccomp = true, .landlock_abi = 1}.lacks()), IsEmpty());
    const auto refused = check(Sandbox::require, {.seccomp = true});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::sandbox_unavailable);
    EXPECT_EQ(exit_code_of(refused.error().code), 7);
    EXPECT_THAT(refused.error().message, HasSubstr("Landlock"));
    EXPECT_TRUE(check(Sandbox::attempt, nothing));
    EXPECT_TRUE(check(Sandbox::off, nothing));
}

TEST(Sandbox, ItsModesAreNamedAsInTheConfiguration) {
    for (const auto mode : {Sandbox::require, Sandbox::attempt, Sandbox::off})
        EXPECT_EQ(sandbox_named(to_string(mode)), mode);
    EXPECT_FALSE(sandbox_named("attempt"));
}

}  // namespace
}  // namespace hotmic::system
