#include "server/process_end.hpp"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <thread>

#include "hotmic/state.hpp"

namespace hotmic::server {

using std::chrono::milliseconds;

sigset_t signals_taken() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    return signals;
}

int await_signal(milliseconds patience) {
    const auto signals = signals_taken();
    const timespec wait{patience.count() / 1000, patience.count() % 1000 * 1'000'000};
    const int signal = sigtimedwait(&signals, nullptr, &wait);
    return signal > 0 ? signal : 0;
}

void end_by(Deadline latest) {
    // It outlives everything, so it uses nothing that is destroyed at the end, the logger included.
    std::thread([latest] {
        while (true) {
            const auto left = std::chrono::ceil<milliseconds>(latest - Clock::now());
            if (left <= milliseconds(0)) {
                dprintf(STDERR_FILENO, "shutdown took longer than it may: ending at once\n");
                std::_Exit(1);
            }
            const int signal = await_signal(left);
            if (signal == 0 || signal == SIGHUP) continue;
            dprintf(STDERR_FILENO, "a second signal: ending at once signal=%d\n", signal);
            std::_Exit(128 + signal);
        }
    }).detach();
}

}  // namespace hotmic::server
