#include "worker_fixture.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace hotmic::worker {

namespace fs = std::filesystem;

std::size_t open_files() {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator{}));
}

std::vector<pid_t> children() {
    // By asking every process for its parent. The lists of children, one a thread, are no snapshot: a child whose
    // thread ends meanwhile moves to another list.
    std::vector<pid_t> found;
    for (const auto& process : fs::directory_iterator("/proc", fs::directory_options::skip_permission_denied)) {
        const auto name = process.path().filename().string();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        std::ifstream file(process.path() / "stat");
        std::string stat;
        std::getline(file, stat);
        const auto after_name = stat.rfind(')');  // "PID (NAME) STATE PARENT …"
        if (after_name == std::string::npos) continue;
        std::istringstream rest(stat.substr(after_name + 1));
        char state = 0;
        pid_t parent = 0;
        if (rest >> state >> parent && parent == ::getpid()) found.push_back(std::stoi(name));
    }
    return found;
}

void WorkerTest::TearDown() {
    EXPECT_THAT(children(), ::testing::IsEmpty()) << "a worker was left behind";
    EXPECT_EQ(open_files(), files_before_) << "a descriptor was left open";
}

}  // namespace hotmic::worker
