/// Tells the service manager how the server does, in the words of sd_notify(3): READY=1 once requests are served,
/// STATUS= what its models do, EXTEND_TIMEOUT_USEC= while they are made ready, WATCHDOG=1 while everything moves,
/// RELOADING=1 and STOPPING=1.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>

#include "hotmic/journal.hpp"
#include "hotmic/state.hpp"
#include "server/catalog.hpp"
#include "server/http/loop.hpp"
#include "server/liveness.hpp"
#include "system/mutex.hpp"

namespace hotmic::server {

/// Who is told, and what it expects.
struct ServiceManager {
    std::function<void(const std::string& lines)> tell{};  ///< null: there is none
    std::chrono::microseconds watchdog{0};                 ///< zero: no sign of life is expected
};

/// Thread safety: everything but `step` may be called from any thread.
class ServiceReporter {
public:
    /// All references must outlive this.
    ServiceReporter(ServiceManager manager, const ModelCatalog& catalog, const Journal& journal, http::Loops& loops);

    /// From now on it reports, on a thread of its own, until it is destroyed: at once what the journal tells, else
    /// every second.
    void start();
    /// Reports what there is to report now. For the thread, and for tests.
    void step(Clock::time_point now);

    /// The configuration is being read again. Before the first READY=1 nothing is told of it.
    void reloading();
    /// It was; `problem`: why it was not taken over, to be shown until the next time.
    void reloaded(const std::string& problem);
    /// The server ends; `patience`: that is over by then.
    void stopping(std::chrono::milliseconds patience);

private:
    void run(const std::stop_token& stop);
    [[nodiscard]] std::string sign_of_life(Clock::time_point now);

    const ServiceManager manager_;
    const ModelCatalog& catalog_;
    const Journal& journal_;

    // Of the thread.
    Liveness liveness_;
    Clock::time_point looked_at_ = Clock::time_point::min();
    bool told_of_silence_ = false;

    Mutex mutex_;
    bool ready_ HOTMIC_GUARDED_BY(mutex_) = false;
    bool reloading_ HOTMIC_GUARDED_BY(mutex_) = false;
    bool stopping_ HOTMIC_GUARDED_BY(mutex_) = false;
    std::string problem_ HOTMIC_GUARDED_BY(mutex_);
    std::string status_ HOTMIC_GUARDED_BY(mutex_);
    Clock::time_point extended_at_ HOTMIC_GUARDED_BY(mutex_) = Clock::time_point::min();

    std::jthread thread_;
};

}  // namespace hotmic::server
