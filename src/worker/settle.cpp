#include "worker/settle.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <utility>

namespace hotmic::worker {

void settle_in(const char* name) {
    prctl(PR_SET_NAME, name);
    std::ofstream("/proc/self/oom_score_adj") << 800;
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, SIG_IGN);
    std::signal(SIGPIPE, SIG_IGN);
    auto logger = spdlog::stderr_logger_mt("worker");
    logger->set_pattern("[%l] %v");
    logger->set_level(spdlog::level::debug);
    logger->flush_on(spdlog::level::trace);
    spdlog::set_default_logger(std::move(logger));
}

}  // namespace hotmic::worker
