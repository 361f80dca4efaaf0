/// A model that is being made ready gives way to those that serve.
#include "system/niceness.hpp"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <format>
#include <set>

#include "worker/process.hpp"
#include "worker_fixture.hpp"

namespace hotmic::worker {
namespace {

/// What the threads of a process have.
std::set<int> niceness_of(pid_t process) {
    std::set<int> found;
    for (const auto& thread : std::filesystem::directory_iterator(std::format("/proc/{}/task", process)))
        found.insert(getpriority(PRIO_PROCESS, static_cast<id_t>(std::stoi(thread.path().filename()))));
    return found;
}

/// Their places among those that read from a disk (ioprio_get(2)); the last of the usual class is 2 << 13 | 7.
std::set<long> disk_priority_of(pid_t process) {
    constexpr int kOfThread = 1;
    std::set<long> found;
    for (const auto& thread : std::filesystem::directory_iterator(std::format("/proc/{}/task", process)))
        found.insert(syscall(SYS_ioprio_get, kOfThread, std::stoi(thread.path().filename())));
    return found;
}
constexpr long kLastAtTheDisk = 2 << 13 | 7;

class NicenessTest : public WorkerTest {
protected:
    const int ours_ = getpriority(PRIO_PROCESS, 0);
};

TEST_F(NicenessTest, TryingLeavesOursAsItWas) {
    (void)system::may_raise_priority();
    EXPECT_EQ(niceness_of(getpid()), std::set{ours_});
}

TEST_F(NicenessTest, AWorkerYieldsOnEveryThreadUntilItIsToldToStop) {
    if (!system::may_raise_priority()) GTEST_SKIP() << "this user may not raise a priority (RLIMIT_NICE)";
    auto model = load("fake:slots=2");
    ASSERT_TRUE(model) << model.error().message;
    const auto first = (*model)->make_recognizer();
    ASSERT_EQ(children().size(), 1);
    const auto worker = children().front();
    EXPECT_EQ(niceness_of(worker), std::set{ours_ + kYieldingNiceness});
    EXPECT_EQ(disk_priority_of(worker), std::set{kLastAtTheDisk});

    (*model)->stop_yielding();
    const auto second = (*model)->make_recognizer();  // its thread is a new one
    EXPECT_EQ(niceness_of(worker), std::set{ours_});
    EXPECT_FALSE(disk_priority_of(worker).contains(kLastAtTheDisk));
}

/// Gives up the right to raise priorities, and says in the exit code whether it still has it.
[[noreturn]] void try_without_rights() {
    const rlimit none{.rlim_cur = 0, .rlim_max = 0};
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    const std::array<__user_cap_data_struct, 2> no_capabilities{};
    if (setrlimit(RLIMIT_NICE, &none) != 0 || syscall(SYS_capset, &header, no_capabilities.data()) != 0) _exit(2);
    _exit(system::may_raise_priority() ? 1 : 0);
}

TEST_F(NicenessTest, WhoMayNotRaiseAPriorityKnowsIt) {
    EXPECT_EXIT(try_without_rights(), ::testing::ExitedWithCode(0), "");
}

TEST_F(NicenessTest, AProcessThatIsGoneIsNoError) {
    system::set_niceness_above_ours(1 << 30, 0);
}

}  // namespace
}  // namespace hotmic::worker
