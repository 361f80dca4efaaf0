/// A worker process seen from the server: started, listened to, ended and reaped.
#pragma once

#include <chrono>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "system/descriptor.hpp"
#include "system/mutex.hpp"
#include "worker/channel.hpp"
#include "worker/protocol.hpp"

namespace hotmic::worker {

/// What a worker adds to the server's own niceness until its model serves. With every core busy it then gets about a
/// third of what a thread that serves gets (sched(7): a step of niceness is a factor of 1.25); on a quiet machine it
/// costs nothing.
inline constexpr int kYieldingNiceness = 5;

/// Threads: one reader, which takes control messages and log lines and reaps the process. Everything else may be called
/// from any thread. Callbacks run on the reader and must not destroy this object.
class WorkerProcess {
public:
    struct Callbacks {
        /// Returns false for what a worker must not say; the process is condemned for it.
        std::function<bool(const Frame&)> on_message;
        /// Called once, after the process has been reaped. `expected`: somebody here asked for it.
        std::function<void(bool expected)> on_end;
    };

    /// What it is started with besides its descriptors.
    struct Start {
        std::string command = "worker";          ///< its only argument
        std::vector<std::string> environment{};  ///< all of it, "NAME=VALUE"
    };

    /// `heartbeat_timeout`: a worker whose event loop is silent for this long although it is asked is condemned; 0: it
    /// is never asked. Its first word may take `kStartAllowance`. Errors: worker_start_failed.
    [[nodiscard]] static Result<std::unique_ptr<WorkerProcess>> spawn(const std::filesystem::path& executable,
                                                                      std::string instance, Callbacks callbacks,
                                                                      std::chrono::milliseconds heartbeat_timeout,
                                                                      Start start);
    /// How long a worker may live on after one of its channels has closed, which is nearly always the first sign of its
    /// end.
    static constexpr std::chrono::milliseconds kExitPatience{2000};
    static constexpr std::chrono::milliseconds kStartAllowance{10'000};

    /// Lets the worker end by itself for a moment, then kills it; reaps it either way.
    ~WorkerProcess();
    WorkerProcess(const WorkerProcess&) = delete;
    WorkerProcess& operator=(const WorkerProcess&) = delete;

    /// Sends on the control channel; false when the worker is gone (or, without `wait`, does not listen).
    bool send(Kind kind, std::string_view body, int passed_fd = -1, bool wait = true);

    /// SIGKILL. Returns at once; `wait_ended` tells when it has been reaped.
    void kill() noexcept;

    /// SIGKILL because of what the worker did: not an end that anybody here wished for. `why` goes into the exit
    /// report: "sent a message that makes no sense". Does nothing once the process has ended or its end is on the way.
    void condemn(std::string_view why);

    /// Waits until the process has been reaped.
    bool wait_ended(std::chrono::milliseconds patience);
    [[nodiscard]] bool ended() const;

    /// It was condemned for its silence.
    [[nodiscard]] bool hung() const;

    /// How it ended and the last lines it printed, in words. `when`: "while loading", …
    [[nodiscard]] std::string exit_report(std::string_view when) const;

    /// From the start on the worker's threads have a lower processor priority than ours, where that can be taken back
    /// (niceness.hpp). This takes it back.
    void stop_yielding();

    /// Resident memory of the process in bytes; 0 once it has ended.
    [[nodiscard]] Bytes resident() const;

private:
    using Time = std::chrono::steady_clock::time_point;

    WorkerProcess(int pid, system::Descriptor pidfd, system::Descriptor control, system::Descriptor log,
                  std::string instance, Callbacks callbacks, std::chrono::milliseconds heartbeat_timeout);
    void read_loop();
    void feel_pulse(Time now);
    [[nodiscard]] int poll_timeout(Time now) const;
    void read_control();
    void read_log(int most_chunks);
    void log_line(std::string_view line);
    void reap();

    const int pid_;
    const system::Descriptor pidfd_;
    const system::Descriptor control_;
    const system::Descriptor log_;
    bool control_open_ = true;         // the reader's
    bool log_open_ = true;             // the reader's
    std::string partial_line_;         // the reader's
    std::optional<Time> must_end_by_;  // the reader's; since the control channel closed
    const std::chrono::milliseconds heartbeat_timeout_;
    int pings_unanswered_ = 0;  // the reader's
    bool has_spoken_ = false;   // the reader's
    Time next_ping_{};          // the reader's
    const std::string instance_;
    const Callbacks callbacks_;

    mutable Mutex mutex_;
    Condition ended_cv_;
    bool ended_ HOTMIC_GUARDED_BY(mutex_) = false;
    bool expected_ HOTMIC_GUARDED_BY(mutex_) = false;  // we asked for the end
    bool killed_ HOTMIC_GUARDED_BY(mutex_) = false;
    bool hung_ HOTMIC_GUARDED_BY(mutex_) = false;
    std::string condemned_ HOTMIC_GUARDED_BY(mutex_);  // why we ended it, when it gave cause
    int status_code_ HOTMIC_GUARDED_BY(mutex_) = 0;    // CLD_EXITED, CLD_KILLED, CLD_DUMPED; 0: not kept for us
    int status_ HOTMIC_GUARDED_BY(mutex_) = 0;         // exit code or signal
    std::deque<std::string> last_lines_ HOTMIC_GUARDED_BY(mutex_);

    std::jthread reader_;
};

}  // namespace hotmic::worker
