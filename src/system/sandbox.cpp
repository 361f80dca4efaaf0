#include "system/sandbox.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <format>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "hotmic/error.hpp"
#include "system/landlock.hpp"
#include "system/seccomp.hpp"

namespace hotmic::system {
namespace {

constexpr std::array<std::string_view, 3> kNames{"require", "try", "off"};  // in the order of the enum

}  // namespace

std::string_view to_string(Sandbox mode) noexcept {
    return kNames[static_cast<std::size_t>(mode)];
}

std::optional<Sandbox> sandbox_named(std::string_view name) noexcept {
    for (const auto mode : {Sandbox::require, Sandbox::attempt, Sandbox::off}) {
        if (to_string(mode) == name) return mode;
    }
    return std::nullopt;
}

SandboxSupport SandboxSupport::of_kernel() noexcept {
    return {.seccomp = seccomp_available(), .landlock_abi = system::landlock_abi()};
}

std::string SandboxSupport::lacks() const {
    std::string text;
    if (!seccomp) text = "no seccomp: decoders and workers may make every system call";
    if (landlock_abi == 0)
        text += std::format("{}no Landlock: workers may open every file that the server may", text.empty() ? "" : "; ");
    return text;
}

Result<void> check(Sandbox mode, const SandboxSupport& support) {
    const auto lacks = support.lacks();
    if (mode != Sandbox::require || lacks.empty()) return {};
    return fail(ErrorCode::sandbox_unavailable, "this machine gives " + lacks,
                "use a kernel with both (5.13 or newer, lsm=landlock), allow them to the container, or set sandbox = "
                "\"try\"",
                "sandbox");
}

Result<void> renounce_privileges(bool may_read_all_files) {
    const auto failed = [](const char* what) {
        return fail(ErrorCode::sandbox_unavailable, std::format("{}: {}", what, std::strerror(errno)),
                    "set sandbox = \"off\" to run without it");
    };
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("privileges cannot be renounced");
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> have{};
    if (::syscall(SYS_capget, &header, have.data()) != 0) return failed("privileges cannot be read");
    const std::uint32_t kept = may_read_all_files ? 1U << CAP_DAC_READ_SEARCH : 0;
    bool any = false;
    for (auto& each : have) {
        const auto mask = &each == have.data() ? kept : 0;
        any = any || ((each.effective | each.permitted) & ~mask) != 0 || each.inheritable != 0;
        each.effective &= mask;
        each.permitted &= mask;
        each.inheritable = 0;
    }
    // A service manager that has left none may forbid the call, too.
    if (any && ::syscall(SYS_capset, &header, have.data()) != 0) return failed("privileges cannot be dropped");
    return {};
}

namespace {

/// Collects what cannot be done, and says when that is too much.
class Attempt {
public:
    explicit Attempt(Sandbox mode) : mode_(mode), support_(SandboxSupport::of_kernel()), missing_(support_.lacks()) {}

    [[nodiscard]] const SandboxSupport& support() const noexcept { return support_; }
    bool take(const Result<void>& done) {
        if (done) return true;
        missing_ += (missing_.empty() ? "" : "; ") + done.error().message;
        return mode_ != Sandbox::require;
    }
    [[nodiscard]] Result<std::string> result(bool fine) const {
        if (fine) return missing_;
        return fail(ErrorCode::sandbox_unavailable, "the process cannot be confined: " + missing_,
                    "set sandbox = \"try\" to run with what can be done", "sandbox");
    }

private:
    const Sandbox mode_;
    const SandboxSupport support_;
    std::string missing_;
};

bool give_up_reach(Attempt& attempt, const Reach& reach, bool may_read_all_files) {
    return attempt.take(renounce_privileges(may_read_all_files)) &&
           (attempt.support().landlock_abi == 0 || attempt.take(reach_only(reach)));
}

}  // namespace

Result<std::string> give_up_reach(Sandbox mode, const Reach& reach, bool may_read_all_files) {
    if (mode == Sandbox::off) return {};
    Attempt attempt(mode);
    if (auto fine = check(mode, attempt.support()); !fine) return std::unexpected(std::move(fine).error());
    return attempt.result(give_up_reach(attempt, reach, may_read_all_files));
}

Result<std::string> confine(Sandbox mode, const Reach& reach, Work work) {
    if (mode == Sandbox::off) return {};
    Attempt attempt(mode);
    if (auto fine = check(mode, attempt.support()); !fine) return std::unexpected(std::move(fine).error());
    const auto filtered = [&]() -> Result<void> {
        const auto filter = SyscallFilter::make(work);
        return filter ? filter->load() : std::unexpected(filter.error());
    };
    return attempt.result(give_up_reach(attempt, reach, work == Work::inference) &&
                          (!attempt.support().seccomp || attempt.take(filtered())));
}

}  // namespace hotmic::system
