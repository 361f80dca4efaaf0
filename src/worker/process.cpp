#include "worker/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <format>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "system/descriptor.hpp"
#include "system/memory.hpp"
#include "system/mutex.hpp"
#include "system/niceness.hpp"
#include "system/pidfd.hpp"
#include "worker/channel.hpp"
#include "worker/protocol.hpp"

namespace hotmic::worker {
namespace {

constexpr std::size_t kKeptLines = 20;
constexpr std::chrono::milliseconds kPatience{300};  // for a worker that has nothing more to do to end by itself
constexpr int kControlFd = 3;
constexpr int kPings = 4;  // unanswered ones that make a worker hung

std::unexpected<Error> cannot_start(const std::filesystem::path& executable, int code) {
    return fail(ErrorCode::worker_start_failed,
                std::format("the worker process {} could not be started: {}", executable.string(), std::strerror(code)),
                "check the limits on processes and open files, and that the program file is still there");
}

/// The same description under a number that the worker's own descriptors will not take: a server may have been started
/// with its standard input or output closed, and then gets those numbers for something else.
system::Descriptor out_of_the_way(const system::Descriptor& fd) {
    return system::Descriptor(fcntl(fd.get(), F_DUPFD_CLOEXEC, kControlFd + 1));
}

}  // namespace

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::spawn(const std::filesystem::path& executable,
                                                            std::string instance, Callbacks callbacks,
                                                            std::chrono::milliseconds heartbeat_timeout, Start start) {
    const bool yields = system::may_raise_priority();
    std::array<int, 2> control{};
    std::array<int, 2> log{};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control.data()) != 0)
        return cannot_start(executable, errno);
    system::Descriptor ours(control[0]);
    const auto theirs = out_of_the_way(system::Descriptor(control[1]));
    if (pipe2(log.data(), O_CLOEXEC) != 0) return cannot_start(executable, errno);
    system::Descriptor log_read(log[0]);
    const auto log_write = out_of_the_way(system::Descriptor(log[1]));
    if (!theirs || !log_write) return cannot_start(executable, errno);
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
    std::array<char*, 3> arguments{program.data(), start.command.data(), nullptr};
    std::vector<char*> environment;
    environment.reserve(start.environment.size() + 1);
    for (auto& entry : start.environment) environment.push_back(entry.data());
    environment.push_back(nullptr);
    pid_t pid = -1;
    const int code = posix_spawn(&pid, program.c_str(), &actions, &attributes, arguments.data(), environment.data());
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (code != 0) return cannot_start(executable, code);

    system::Descriptor pidfd(pidfd_open(pid, 0));
    if (!pidfd) {
        const int why = errno;
        ::kill(pid, SIGKILL);
        waitpid(pid, nullptr, 0);
        return cannot_start(executable, why);
    }
    if (yields) system::set_niceness_above_ours(pid, kYieldingNiceness);
    spdlog::debug("worker started instance={} pid={} yields={}", instance, pid, yields);
    return std::unique_ptr<WorkerProcess>(new WorkerProcess(pid, std::move(pidfd), std::move(ours), std::move(log_read),
                                                            std::move(instance), std::move(callbacks),
                                                            heartbeat_timeout));
}

WorkerProcess::WorkerProcess(int pid, system::Descriptor pidfd, system::Descriptor control, system::Descriptor log,
                             std::string instance, Callbacks callbacks, std::chrono::milliseconds heartbeat_timeout)
    : pid_(pid),
      pidfd_(std::move(pidfd)),
      control_(std::move(control)),
      log_(std::move(log)),
      heartbeat_timeout_(heartbeat_timeout),
      instance_(std::move(instance)),
      callbacks_(std::move(callbacks)),
      reader_([this] { read_loop(); }) {}

WorkerProcess::~WorkerProcess() {
    {
        const Lock lock(mutex_);
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
    const Lock lock(mutex_);
    expected_ = true;
    killed_ = true;
    if (!ended_) pidfd_send_signal(pidfd_.get(), SIGKILL, nullptr, 0);
}

void WorkerProcess::condemn(std::string_view why) {
    const Lock lock(mutex_);
    if (ended_ || expected_ || !condemned_.empty()) return;
    condemned_ = why;
    pidfd_send_signal(pidfd_.get(), SIGKILL, nullptr, 0);
}

bool WorkerProcess::wait_ended(std::chrono::milliseconds patience) {
    Lock lock(mutex_);
    return ended_cv_.wait_for(lock, patience, [this] HOTMIC_REQUIRES(mutex_) { return ended_; });
}

bool WorkerProcess::ended() const {
    const Lock lock(mutex_);
    return ended_;
}

bool WorkerProcess::hung() const {
    const Lock lock(mutex_);
    return hung_;
}

std::string WorkerProcess::exit_report(std::string_view when) const {
    const Lock lock(mutex_);
    std::string text;
    if (!ended_) {
        text = std::format("the worker process stopped answering {}", when);
    } else if (!condemned_.empty()) {
        text = std::format("the worker process {} {} and was ended", condemned_, when);
    } else if (killed_ && status_code_ == CLD_KILLED && status_ == SIGKILL) {
        text = std::format("the server ended the worker process {}", when);
    } else if (status_code_ == 0) {
        text = std::format(
            "the worker process ended {}; how is not known, for the server was started with SIGCHLD ignored", when);
    } else if (status_code_ == CLD_EXITED) {
        text = std::format("the worker process exited with code {} {}", status_, when);
    } else {
        text =
            std::format("the worker process was killed by signal {} (SIG{}) {}", status_, sigabbrev_np(status_), when);
        if (status_ == SIGKILL) text += "; if nobody did that by hand, the kernel ran out of memory";
    }
    if (!last_lines_.empty()) {
        text += "; its last lines: ";
        const auto skip = last_lines_.size() > 4 ? last_lines_.size() - 4 : 0;
        for (auto i = skip; i < last_lines_.size(); ++i) text += (i == skip ? "" : " | ") + last_lines_[i];
    }
    return text;
}

void WorkerProcess::stop_yielding() {
    const Lock lock(mutex_);  // a process that has been reaped is not mistaken for another of its number
    if (!ended_) system::set_niceness_above_ours(pid_, 0);
}

Bytes WorkerProcess::resident() const {
    const Lock lock(mutex_);
    return ended_ ? Bytes() : system::resident_memory_of(pid_);
}

void WorkerProcess::read_loop() {
    while (true) {
        std::array watched{pollfd{pidfd_.get(), POLLIN, 0}, pollfd{log_open_ ? log_.get() : -1, POLLIN, 0},
                           pollfd{control_open_ ? control_.get() : -1, POLLIN, 0}};
        const auto ready = poll(watched.data(), watched.size(), poll_timeout(std::chrono::steady_clock::now()));
        const auto now = std::chrono::steady_clock::now();
        if (must_end_by_ && now >= *must_end_by_) {
            condemn("closed its control channel");
            must_end_by_.reset();
        }
        if (ready < 0) continue;  // interrupted
        if (watched[1].revents != 0) read_log(1);
        if (watched[2].revents != 0) read_control();
        feel_pulse(now);
        if (watched[0].revents != 0) {
            // What it said before it ended counts; a child of its own that still talks does not.
            for (pollfd rest{control_.get(), POLLIN, 0}; control_open_ && poll(&rest, 1, 0) > 0;) read_control();
            read_log(64);
            if (!partial_line_.empty()) log_line(std::exchange(partial_line_, {}));
            return reap();
        }
    }
}

/// Counts pings and not time, so that a machine that slept does not find all its workers dead.
void WorkerProcess::feel_pulse(Time now) {
    if (heartbeat_timeout_ == std::chrono::milliseconds(0) || !control_open_ || now < next_ping_) return;
    next_ping_ = now + heartbeat_timeout_ / kPings;
    // A process only just started has libraries to load before it can say anything.
    const auto patience = has_spoken_ ? heartbeat_timeout_ : std::max(heartbeat_timeout_, kStartAllowance);
    if (pings_unanswered_ < kPings * (patience / heartbeat_timeout_)) {
        ++pings_unanswered_;
        (void)send(Kind::ping, encode(Empty{}), -1, false);
        return;
    }
    {
        const Lock lock(mutex_);
        hung_ = !ended_ && !expected_ && condemned_.empty();
    }
    condemn(std::format("answered nothing for {} ms", patience.count()));
}

/// Milliseconds until something is to be done though nothing came.
int WorkerProcess::poll_timeout(Time now) const {
    auto next = Time::max();
    if (must_end_by_) next = *must_end_by_;
    if (heartbeat_timeout_ > std::chrono::milliseconds(0) && control_open_) next = std::min(next, next_ping_);
    if (next == Time::max()) return -1;
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next - now);
    return static_cast<int>(std::max<std::int64_t>(0, wait.count()));
}

void WorkerProcess::read_control() {
    const auto frame = receive_control(control_.get());
    pings_unanswered_ = 0;
    has_spoken_ = true;
    if (!frame) {
        control_open_ = false;
        if (frame.error() == Broken::nonsense)
            condemn("sent what is no message");
        else
            must_end_by_ = std::chrono::steady_clock::now() + kExitPatience;
    } else if (frame->kind != Kind::pong && !callbacks_.on_message(*frame)) {
        control_open_ = false;
        condemn("sent a message that makes no sense");
    }
}

void WorkerProcess::read_log(int most_chunks) {
    std::array<char, 4096> buffer{};
    for (; most_chunks > 0 && log_open_; --most_chunks) {
        const auto got = ::read(log_.get(), buffer.data(), buffer.size());
        if (got < 0) return;  // nothing more for now
        log_open_ = got > 0;
        for (const char c : std::string_view(buffer.data(), static_cast<std::size_t>(got))) {
            if (c != '\n' && partial_line_.size() < 1000) partial_line_ += c;
            if (c == '\n') log_line(std::exchange(partial_line_, {}));
        }
    }
}

void WorkerProcess::log_line(std::string_view line) {
    if (line.empty()) return;
    // Our own lines begin with their level in brackets; anything else is the engine's or a library's.
    auto level = spdlog::level::info;
    if (const auto end = line.find("] "); line.starts_with('[') && end != std::string_view::npos) {
        // An unknown name is "off": an engine's own bracket, not a level.
        if (const auto named = spdlog::level::from_str(std::string(line.substr(1, end - 1)));
            named != spdlog::level::off) {
            level = named;
            line = line.substr(end + 2);
        }
    }
    spdlog::log(level, "{} instance={}", line, instance_);
    const Lock lock(mutex_);
    last_lines_.emplace_back(line);
    if (last_lines_.size() > kKeptLines) last_lines_.pop_front();
}

void WorkerProcess::reap() {
    siginfo_t info{};
    while (waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) != 0 && errno == EINTR) {
    }
    bool expected = false;
    {
        const Lock lock(mutex_);
        status_code_ = info.si_code;
        status_ = info.si_status;
        ended_ = true;
        expected = expected_;
    }
    ended_cv_.notify_all();
    callbacks_.on_end(expected);
}

}  // namespace hotmic::worker
