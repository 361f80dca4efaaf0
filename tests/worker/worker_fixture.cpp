#include "worker_fixture.hpp"

#include <filesystem>
#include <fstream>

namespace hotmic::worker {

namespace fs = std::filesystem;

std::size_t open_files() {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator{}));
}

std::vector<pid_t> children() {
    std::vector<pid_t> found;
    for (const auto& task : fs::directory_iterator("/proc/self/task")) {
        std::ifstream list(task.path() / "children");
        for (pid_t pid = 0; list >> pid;) found.push_back(pid);
    }
    return found;
}

void WorkerTest::TearDown() {
    EXPECT_THAT(children(), ::testing::IsEmpty()) << "a worker was left behind";
    EXPECT_EQ(open_files(), files_before_) << "a descriptor was left open";
}

}  // namespace hotmic::worker
