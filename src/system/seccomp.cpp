#include "system/seccomp.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <format>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "system/sanitized.hpp"

namespace hotmic::system {
namespace {

using Context = std::unique_ptr<void, decltype([](void* context) { seccomp_release(context); })>;

constexpr std::array kDecoding{
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(pread64),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(sendto),
    SCMP_SYS(sendmsg),
    SCMP_SYS(close),
    SCMP_SYS(lseek),
    SCMP_SYS(fstat),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(brk),
    SCMP_SYS(madvise),
    SCMP_SYS(futex),
    SCMP_SYS(membarrier),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getrandom),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sysinfo),
    SCMP_SYS(getrusage),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(rseq),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

/// No decoder, and no library that one uses, ever does this.
constexpr std::array kUnheardOf{
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(socket),
    SCMP_SYS(socketpair),
    SCMP_SYS(connect),
    SCMP_SYS(bind),
    SCMP_SYS(listen),
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(mount),
    SCMP_SYS(bpf),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(keyctl),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
};

constexpr std::array kNotForEngines{
    // networks
    SCMP_SYS(socket),
    SCMP_SYS(connect),
    SCMP_SYS(bind),
    SCMP_SYS(listen),
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    // programs and processes
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(process_madvise),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(kcmp),
    SCMP_SYS(setns),
    SCMP_SYS(unshare),
    SCMP_SYS(personality),
    SCMP_SYS(setsid),
    SCMP_SYS(setuid),
    SCMP_SYS(setgid),
    SCMP_SYS(setreuid),
    SCMP_SYS(setregid),
    SCMP_SYS(setresuid),
    SCMP_SYS(setresgid),
    SCMP_SYS(setgroups),
    SCMP_SYS(setfsuid),
    SCMP_SYS(setfsgid),
    SCMP_SYS(capset),
    // of files, what Landlock does not guard
    SCMP_SYS(chmod),
    SCMP_SYS(fchmod),
    SCMP_SYS(fchmodat),
    SCMP_SYS(fchmodat2),
    SCMP_SYS(chown),
    SCMP_SYS(fchown),
    SCMP_SYS(lchown),
    SCMP_SYS(fchownat),
    SCMP_SYS(utime),
    SCMP_SYS(utimes),
    SCMP_SYS(futimesat),
    SCMP_SYS(utimensat),
    SCMP_SYS(setxattr),
    SCMP_SYS(lsetxattr),
    SCMP_SYS(fsetxattr),
    SCMP_SYS(removexattr),
    SCMP_SYS(lremovexattr),
    SCMP_SYS(fremovexattr),
    SCMP_SYS(chroot),
    SCMP_SYS(pivot_root),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_tree),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsmount),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(name_to_handle_at),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(fanotify_init),
    SCMP_SYS(quotactl),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    // the kernel
    SCMP_SYS(bpf),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(reboot),
    SCMP_SYS(syslog),
    SCMP_SYS(acct),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(keyctl),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(adjtimex),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
    SCMP_SYS(ioperm),
    SCMP_SYS(iopl),
};

std::unexpected<Error> failed(std::string_view what, int number) {
    return fail(ErrorCode::sandbox_unavailable, std::format("seccomp: {}: {}", what, std::strerror(number)),
                "set sandbox = \"try\" to run without it");
}

/// The first thing that went wrong; 0: nothing. A call that this architecture has not is no error.
class Filter {
public:
    explicit Filter(std::uint32_t otherwise) : context_(seccomp_init(otherwise)) {
        if (!context_) {
            problem_ = ENOMEM;
            return;
        }
        note(seccomp_attr_set(context_.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS));
        note(seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2));
    }

    template <std::size_t N>
    void each(std::uint32_t action, const std::array<int, N>& calls) {
        for (const int call : calls) note(seccomp_rule_add(context_.get(), action, call, 0));
    }
    void where(std::uint32_t action, int call, scmp_arg_cmp argument) {
        note(seccomp_rule_add_array(context_.get(), action, call, 1, &argument));
    }
    void note(int code) {
        if (code < 0 && code != -EDOM && problem_ == 0) problem_ = -code;
    }

    [[nodiscard]] Result<std::vector<sock_filter>> exported() const {
        if (problem_ != 0) return failed("no filter can be made", problem_);
        std::size_t bytes = 0;
        if (const int code = seccomp_export_bpf_mem(context_.get(), nullptr, &bytes); code < 0)
            return failed("no filter can be made", -code);
        std::vector<sock_filter> program(bytes / sizeof(sock_filter));
        if (const int code = seccomp_export_bpf_mem(context_.get(), program.data(), &bytes); code < 0)
            return failed("no filter can be made", -code);
        return program;
    }

private:
    Context context_;
    int problem_ = 0;
};

scmp_arg_cmp has_none_of(unsigned argument, std::uint64_t bits) {
    return {.arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = bits, .datum_b = 0};
}

Filter decoding() {
    Filter filter(SCMP_ACT_ERRNO(EPERM));
    filter.each(SCMP_ACT_ALLOW, kDecoding);
    // Memory is either written to or run.
    filter.where(SCMP_ACT_ALLOW, SCMP_SYS(mmap), has_none_of(2, PROT_EXEC));
    filter.where(SCMP_ACT_ALLOW, SCMP_SYS(mprotect), has_none_of(2, PROT_EXEC));
    if (kSanitized)  // they try by a pipe whether memory is there
        filter.each(SCMP_ACT_ALLOW, std::array{SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(fcntl)});
    else
        filter.each(SCMP_ACT_KILL_PROCESS, kUnheardOf);
    return filter;
}

Filter inference() {
    Filter filter(SCMP_ACT_ALLOW);
    filter.each(SCMP_ACT_ERRNO(EPERM), kNotForEngines);
    // Threads, but no processes. What clone3 is asked for cannot be seen here; the C library then asks by clone.
    filter.where(SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), has_none_of(0, CLONE_THREAD));
    filter.each(SCMP_ACT_ERRNO(ENOSYS), std::array{SCMP_SYS(clone3)});
    // Signals to itself only.
    const scmp_arg_cmp other{
        .arg = 0, .op = SCMP_CMP_NE, .datum_a = static_cast<std::uint64_t>(::getpid()), .datum_b = 0};
    for (const int call : {SCMP_SYS(kill), SCMP_SYS(tgkill), SCMP_SYS(rt_sigqueueinfo), SCMP_SYS(rt_tgsigqueueinfo)})
        filter.where(SCMP_ACT_ERRNO(EPERM), call, other);
    filter.each(SCMP_ACT_ERRNO(EPERM), std::array{SCMP_SYS(tkill), SCMP_SYS(pidfd_send_signal)});
    return filter;
}

}  // namespace

struct SyscallFilter::Program {
    std::vector<sock_filter> code;
};

SyscallFilter::SyscallFilter(std::unique_ptr<Program> program) : program_(std::move(program)) {}
SyscallFilter::~SyscallFilter() = default;
SyscallFilter::SyscallFilter(SyscallFilter&&) noexcept = default;
SyscallFilter& SyscallFilter::operator=(SyscallFilter&&) noexcept = default;

bool seccomp_available() noexcept {
    const std::uint32_t action = SECCOMP_RET_KILL_PROCESS;
    return ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

Result<SyscallFilter> SyscallFilter::make(Work work) {
    const auto filter = work == Work::decoding ? decoding() : inference();
    auto code = filter.exported();
    if (!code) return std::unexpected(std::move(code).error());
    return SyscallFilter(std::make_unique<Program>(*std::move(code)));
}

Result<void> SyscallFilter::load() const {
    const sock_fprog program{static_cast<unsigned short>(program_->code.size()), program_->code.data()};
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
        return failed("its filter is refused", errno);
    return {};
}

}  // namespace hotmic::system
