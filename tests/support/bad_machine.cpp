/// Preloaded (LD_PRELOAD) into the program under test: a disk that fails or stalls, and a wall clock that jumps. What
/// happens is said in the file that BAD_MACHINE_RULES names, and may change at any time. One rule a line:
///
///   read SUFFIX AFTER fail     reading a file whose path ends in SUFFIX fails (EIO) past so many bytes of it
///   read SUFFIX AFTER stall    … does not return while this rule is there
///   read SUFFIX AFTER MS       … takes so many milliseconds
///   clock SECONDS              the wall clock is ahead by so many (negative: behind)
#include <dlfcn.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <thread>

namespace {

template <class Function>
Function real(const char* name) {
    return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

thread_local bool asking = false;  // reading the rules is not under them

/// The lines of the rules that begin with `kind`.
std::string rules(const char* kind) {
    const char* path = std::getenv("BAD_MACHINE_RULES");
    if (path == nullptr || asking) return {};
    asking = true;
    std::string found;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(kind)) found += line + "\n";
    }
    asking = false;
    return found;
}

/// What the rules say of reading this file where it stands: "fail", "stall", a number, or nothing.
std::optional<std::string> rule_for(int fd) {
    const auto all = rules("read ");
    if (all.empty()) return std::nullopt;
    std::array<char, 4096> target{};
    if (readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target.data(), target.size() - 1) <= 0)
        return std::nullopt;
    std::istringstream lines(all);
    std::string word;
    std::string suffix;
    std::string what;
    for (off_t after = 0; lines >> word >> suffix >> after >> what;) {
        if (std::string_view(target.data()).ends_with(suffix) && lseek(fd, 0, SEEK_CUR) >= after) return what;
    }
    return std::nullopt;
}

/// False: the read fails.
bool suffer(int fd) {
    if (asking) return true;
    for (auto rule = rule_for(fd); rule; rule = rule_for(fd)) {
        if (*rule == "fail") return false;
        const int ms = *rule == "stall" ? 10 : std::atoi(rule->c_str());
        std::this_thread::sleep_for(std::chrono::milliseconds(ms));
        if (*rule != "stall") break;
    }
    return true;
}

time_t ahead() {
    std::istringstream line(rules("clock "));
    std::string word;
    time_t seconds = 0;
    line >> word >> seconds;
    return seconds;
}

}  // namespace

extern "C" {

ssize_t read(int fd, void* into, size_t count) {
    static const auto next = real<ssize_t (*)(int, void*, size_t)>("read");
    if (suffer(fd)) return next(fd, into, count);
    errno = EIO;
    return -1;
}

ssize_t readv(int fd, const iovec* into, int count) {
    static const auto next = real<ssize_t (*)(int, const iovec*, int)>("readv");
    if (suffer(fd)) return next(fd, into, count);
    errno = EIO;
    return -1;
}

int clock_gettime(clockid_t clock, timespec* now) noexcept {
    static const auto next = real<int (*)(clockid_t, timespec*)>("clock_gettime");
    const int code = next(clock, now);
    if (code == 0 && clock == CLOCK_REALTIME) now->tv_sec += ahead();
    return code;
}

int gettimeofday(timeval* now, void* zone) noexcept {
    static const auto next = real<int (*)(timeval*, void*)>("gettimeofday");
    const int code = next(now, zone);
    if (code == 0) now->tv_sec += ahead();
    return code;
}
}
