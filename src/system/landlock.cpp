#include "system/landlock.hpp"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <format>
#include <vector>

#include "hotmic/error.hpp"

namespace hotmic::system {
namespace {

// Rights of each version of the interface; a kernel refuses those that it does not know.
constexpr std::uint64_t kReadFile = LANDLOCK_ACCESS_FS_READ_FILE;
constexpr std::uint64_t kReadFolder = LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kFirst = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
constexpr std::uint64_t kRefer = 1U << 13;     // 2
constexpr std::uint64_t kTruncate = 1U << 14;  // 3
constexpr std::uint64_t kControl = 1U << 15;   // 5

/// As of version 6. Written out, for the headers of an older system have less.
struct Ruleset {
    std::uint64_t files = 0;
    std::uint64_t network = 0;
    std::uint64_t scoped = 0;
};
constexpr std::uint64_t kBindAndConnect = 3;
constexpr std::uint64_t kAbstractSocketsAndSignals = 3;

Ruleset all_of(int abi) {
    Ruleset all{.files = kFirst};
    if (abi >= 2) all.files |= kRefer;
    if (abi >= 3) all.files |= kTruncate;
    if (abi >= 4) all.network = kBindAndConnect;
    if (abi >= 5) all.files |= kControl;
    if (abi >= 6) all.scoped = kAbstractSocketsAndSignals;
    return all;
}

std::unexpected<Error> failed(const char* what) {
    return fail(ErrorCode::sandbox_unavailable, std::format("Landlock: {}: {}", what, std::strerror(errno)),
                "set sandbox = \"try\" to run without it");
}

class Rules {
public:
    Rules(int fd, std::uint64_t handled) : fd_(fd), handled_(handled) {}

    [[nodiscard]] bool allow(const std::vector<std::filesystem::path>& paths, std::uint64_t rights) const {
        for (const auto& path : paths) {
            if (!allow(path, rights)) return false;
        }
        return true;
    }

private:
    [[nodiscard]] bool allow(const std::filesystem::path& path, std::uint64_t rights) const {
        const int place = ::open(path.c_str(), O_PATH | O_CLOEXEC);
        if (place < 0) return true;  // what is not there needs no rule, and what cannot be found cannot be read
        struct stat facts{};
        const bool is_folder = ::fstat(place, &facts) == 0 && S_ISDIR(facts.st_mode);
        constexpr std::uint64_t kOfFiles =
            kReadFile | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate | kControl;
        const landlock_path_beneath_attr rule{.allowed_access = rights & handled_ & (is_folder ? ~0ULL : kOfFiles),
                                              .parent_fd = place};
        const auto added = ::syscall(SYS_landlock_add_rule, fd_, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
        const int why = errno;
        ::close(place);
        errno = why;
        return added == 0;
    }

    const int fd_;
    const std::uint64_t handled_;
};

}  // namespace

int landlock_abi() noexcept {
    const auto abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi > 0 ? static_cast<int>(abi) : 0;
}

Result<void> reach_only(const Reach& reach) {
    const auto abi = landlock_abi();
    if (abi == 0) return failed("this kernel has none");
    const auto handled = all_of(abi);
    const int fd = static_cast<int>(::syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0));
    if (fd < 0) return failed("no ruleset can be made");
    const Rules rules(fd, handled.files);
    const bool fine = rules.allow(reach.readable, kReadFile | kReadFolder) &&
                      rules.allow(reach.devices, kReadFile | kReadFolder | LANDLOCK_ACCESS_FS_WRITE_FILE | kControl) &&
                      rules.allow(reach.writable, ~static_cast<std::uint64_t>(LANDLOCK_ACCESS_FS_EXECUTE)) &&
                      ::syscall(SYS_landlock_restrict_self, fd, 0) == 0;
    const int why = errno;
    ::close(fd);
    errno = why;
    if (!fine) return failed("its rules are refused");
    return {};
}

}  // namespace hotmic::system
