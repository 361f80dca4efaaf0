#include "worker/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/wait.h>

extern "C" {
#include <sys/pidfd.h>  // glibc forgets to say that these are C
}

#include <array>
#include <csignal>
#include <cstring>
#include <format>
#include <fstream>
#include <vector>

extern char** environ;

namespace hotmic::worker {
namespace {

constexpr std::size_t kKeptLines = 20;
constexpr std::chrono::milliseconds kPatience{300};  // for a worker to end by itself
constexpr int kControlFd = 3;

std::unexpected<Error> cannot_start(const std::filesystem::path& executable, int code) {
    return fail(ErrorCode::worker_start_failed,
                std::format("the worker process {} could not be started: {}", executable.string(), std::strerror(code)),
                "check the limits on processes and open files, and that the program file is still there");
}

/// Our environment, with OpenMP told not to spin: idle slots would take the cores from busy ones.
std::vector<char*> worker_environment() {
    static std::array settings{std::string("OMP_WAIT_POLICY=passive"), std::string("GOMP_SPINCOUNT=0")};
    std::vector<char*> environment;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        if (!text.starts_with("OMP_WAIT_POLICY=") && !text.starts_with("GOMP_SPINCOUNT=")) environment.push_back(*entry);
    }
    for (auto& setting : settings) environment.push_back(setting.data());
    environment.push_back(nullptr);
    return environment;
}

}  // namespace

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::spawn(const std::filesystem::path& executable, std::string instance,
                                                            Callbacks callbacks) {
    std::array<int, 2> control{};
    std::array<int, 2> log{};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control.data()) != 0) return cannot_start(executable, errno);
    Fd ours(control[0]);
    const Fd theirs(control[1]);
    if (pipe2(log.data(), O_CLOEXEC) != 0) return cannot_start(executable, errno);
    Fd log_read(log[0]);
    const Fd log_write(log[1]);
    fcntl(log_read.get(), F_SETFL, O_NONBLOCK);

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, log_write.get(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, log_write.get(), STDERR_FILENO);
    posix_spawn_file_actions_adddup2(&actions, theirs.get(), kControlFd);
    posix_spawn_file_actions_addclosefrom_np(&actions, kControlFd + 1);

    // A group of its own, so that Ctrl-C in a terminal reaches only the server; signals as a fresh process has them.
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);

    auto program = executable.string();
    std::string command = "worker";
    std::array<char*, 3> arguments{program.data(), command.data(), nullptr};
    auto environment = worker_environment();
    pid_t pid = -1;
    const int code = posix_spawn(&pid, program.c_str(), &actions, &attributes, arguments.data(), environment.data());
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (code != 0) return cannot_start(executable, code);

    Fd pidfd(pidfd_open(pid, 0));
    if (!pidfd) {
        const int why = errno;
        ::kill(pid, SIGKILL);
        waitpid(pid, nullptr, 0);
        return cannot_start(executable, why);
    }
    spdlog::debug("worker started instance={} pid={}", instance, pid);
    return std::unique_ptr<WorkerProcess>(new WorkerProcess(pid, std::move(pidfd), std::move(ours), std::move(log_read),
                                                            std::move(instance), std::move(callbacks)));
}

WorkerProcess::WorkerProcess(int pid, Fd pidfd, Fd control, Fd log, std::string instance, Callbacks callbacks)
    : pid_(pid), pidfd_(std::move(pidfd)), control_(std::move(control)), log_(std::move(log)), instance_(std::move(instance)),
      callbacks_(std::move(callbacks)), reader_([this] { read_loop(); }) {}

WorkerProcess::~WorkerProcess() {
    {
        const std::scoped_lock lock(mutex_);
        expected_ = true;
    }
    shutdown(control_.get(), SHUT_RDWR);  // the worker ends itself when it sees this
    if (!wait_ended(kPatience)) kill();
    reader_.join();
}

bool WorkerProcess::send(Kind kind, std::string_view body, int passed_fd, bool wait) {
    return send_control(control_.get(), kind, bytes_of(body), passed_fd, wait);
}

void WorkerProcess::kill() noexcept {
    const std::scoped_lock lock(mutex_);
    expected_ = true;
    killed_ = true;
    if (!ended_) pidfd_send_signal(pidfd_.get(), SIGKILL, nullptr, 0);
}

bool WorkerProcess::wait_ended(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    return ended_cv_.wait_for(lock, patience, [this] { return ended_; });
}

bool WorkerProcess::ended() const {
    const std::scoped_lock lock(mutex_);
    return ended_;
}

std::string WorkerProcess::obituary(std::string_view when) const {
    const std::scoped_lock lock(mutex_);
    std::string text;
    if (!ended_) {
        text = std::format("the worker process stopped answering {}", when);
    } else if (status_code_ == CLD_EXITED) {
        text = std::format("the worker process exited with code {} {}", status_, when);
    } else {
        text = std::format("the worker process was killed by signal {} (SIG{}) {}", status_, sigabbrev_np(status_), when);
        if (status_ == SIGKILL && !killed_) text += "; if nobody did that by hand, the kernel ran out of memory";
    }
    if (!last_lines_.empty()) {
        text += "; its last lines: ";
        const auto skip = last_lines_.size() > 4 ? last_lines_.size() - 4 : 0;
        for (auto i = skip; i < last_lines_.size(); ++i) text += (i == skip ? "" : " | ") + last_lines_[i];
    }
    return text;
}

std::uint64_t WorkerProcess::resident_bytes() const {
    const std::scoped_lock lock(mutex_);
    if (ended_) return 0;
    std::ifstream statm(std::format("/proc/{}/statm", pid_));
    std::uint64_t total = 0;
    std::uint64_t resident = 0;
    statm >> total >> resident;
    return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

void WorkerProcess::read_loop() {
    bool control_open = true;
    while (true) {
        std::array<pollfd, 3> watched{pollfd{pidfd_.get(), POLLIN, 0}, pollfd{log_.get(), POLLIN, 0},
                                      pollfd{control_open ? control_.get() : -1, POLLIN, 0}};
        if (poll(watched.data(), watched.size(), -1) < 0) continue;
        if (watched[1].revents != 0) read_log(false);
        if (watched[2].revents != 0) {
            const auto frame = receive_control(control_.get());
            if (!frame) control_open = false;  // it has ended, or soon will: its end of the pair is only held by it
            else callbacks_.on_message(*frame);
        }
        if (watched[0].revents != 0) {
            // What it said before it ended counts.
            while (control_open) {
                pollfd rest{control_.get(), POLLIN, 0};
                if (poll(&rest, 1, 0) <= 0) break;
                const auto frame = receive_control(control_.get());
                if (!frame) break;
                callbacks_.on_message(*frame);
            }
            read_log(true);
            return reap();
        }
    }
}

void WorkerProcess::read_log(bool to_the_end) {
    std::array<char, 4096> buffer{};
    while (true) {
        const auto got = ::read(log_.get(), buffer.data(), buffer.size());
        if (got <= 0) break;
        for (const char c : std::string_view(buffer.data(), static_cast<std::size_t>(got))) {
            if (c != '\n' && partial_line_.size() < 1000) partial_line_ += c;
            if (c == '\n') log_line(std::exchange(partial_line_, {}));
        }
    }
    if (to_the_end && !partial_line_.empty()) log_line(std::exchange(partial_line_, {}));
}

void WorkerProcess::log_line(std::string_view line) {
    if (line.empty()) return;
    // Our own lines begin with their level in brackets; anything else is the engine's or a library's.
    auto level = spdlog::level::info;
    if (const auto end = line.find("] "); line.starts_with('[') && end != std::string_view::npos) {
        level = spdlog::level::from_str(std::string(line.substr(1, end - 1)));
        line = line.substr(end + 2);
    }
    spdlog::log(level, "{} instance={}", line, instance_);
    const std::scoped_lock lock(mutex_);
    last_lines_.emplace_back(line);
    if (last_lines_.size() > kKeptLines) last_lines_.pop_front();
}

void WorkerProcess::reap() {
    siginfo_t info{};
    while (waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) != 0 && errno == EINTR) {
    }
    bool expected = false;
    {
        const std::scoped_lock lock(mutex_);
        status_code_ = info.si_code;
        status_ = info.si_status;
        ended_ = true;
        expected = expected_;
    }
    ended_cv_.notify_all();
    if (!expected) callbacks_.on_unexpected_end();
}

}  // namespace hotmic::worker
