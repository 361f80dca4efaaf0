#include "support/forbidden_acts.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ranges>
#include <vector>

namespace hotmic::testing {
namespace {

/// 0: done; else why not.
int outcome(bool done) {
    return done ? 0 : errno;
}

int open_and_close(const std::string& path, int flags) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
    const int why = outcome(fd >= 0);
    if (fd >= 0) ::close(fd);
    return why;
}

int execute() {
    const char* const arguments[] = {"/bin/true", nullptr};
    const char* const nothing[] = {nullptr};
    ::execve("/bin/true", const_cast<char* const*>(arguments), const_cast<char* const*>(nothing));
    return errno;
}

int fork_once() {
    const auto child = ::fork();
    if (child == 0) ::_exit(0);
    const int why = outcome(child > 0);
    if (child > 0) ::waitpid(child, nullptr, 0);
    return why;
}

int make_socket(int family) {
    const int fd = ::socket(family, SOCK_STREAM, 0);
    const int why = outcome(fd >= 0);
    if (fd >= 0) ::close(fd);
    return why;
}

int list(const std::string& path) {
    auto* folder = ::opendir(path.c_str());
    const int why = outcome(folder != nullptr);
    if (folder != nullptr) ::closedir(folder);
    return why;
}

int take_memory(std::string_view mib) {
    std::size_t count = 0;
    std::from_chars(mib.data(), mib.data() + mib.size(), count);
    auto* bytes = static_cast<volatile char*>(std::malloc(count << 20));
    if (bytes == nullptr) return ENOMEM;
    for (std::size_t at = 0; at < count << 20; at += 4096) bytes[at] = 1;
    std::free(const_cast<char*>(bytes));
    return 0;
}

int start_thread() {
    pthread_t thread{};
    const int why = ::pthread_create(&thread, nullptr, [](void*) -> void* { return nullptr; }, nullptr);
    if (why == 0) ::pthread_join(thread, nullptr);
    return why;
}

int perform(std::string_view act) {
    const auto colon = act.find(':');
    const auto what = act.substr(0, colon);
    const std::string of(colon == act.npos ? "" : act.substr(colon + 1));
    if (what == "read") return open_and_close(of, O_RDONLY);
    if (what == "write") return open_and_close(of, O_WRONLY | O_CREAT);
    if (what == "list") return list(of);
    if (what == "socket") return make_socket(AF_INET);
    if (what == "local") return make_socket(AF_UNIX);
    if (what == "exec") return execute();
    if (what == "fork") return fork_once();
    if (what == "ptrace") return outcome(::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr) == 0);
    if (what == "signal") return outcome(::kill(::getppid(), 0) == 0);
    if (what == "chmod") return outcome(::chmod(of.c_str(), 0666) == 0);
    if (what == "memory") return take_memory(of);
    if (what == "thread") return start_thread();
    if (what == "crash") std::abort();
    if (what == "cpu") {
        for (volatile unsigned turns = 0;; turns = turns + 1) {
        }
    }
    if (what == "sleep") {
        while (true) ::sleep(1000);
    }
    return EINVAL;
}

}  // namespace

std::string try_act(std::string_view act) {
    if (act == "environment") {
        std::size_t count = 0;
        for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) ++count;
        return "environment: " + std::to_string(count);
    }
    const int why = perform(act);
    return std::string(act) + ": " + (why == 0 ? "done" : std::strerror(why));
}

std::string try_acts(std::string_view acts) {
    std::string all;
    for (const auto act : std::views::split(acts, ','))
        all += (all.empty() ? "" : "; ") + try_act(std::string_view(act));
    return all;
}

}  // namespace hotmic::testing
