/// Which system calls a process may make.
#pragma once

#include <cstdint>
#include <memory>

#include "hotmic/error.hpp"

namespace hotmic::system {

/// What the process is there for.
enum class Work : std::uint8_t {
    /// Turns bytes that it is given into others. Only what that needs: memory, time, reading and writing what is open.
    /// Opening a file is refused (EPERM), and so is every call that is not known; what nobody does by mistake (starting
    /// a program, sockets, looking into other processes) ends the process.
    decoding,
    /// Runs an engine, whose libraries and drivers may call nearly anything. Refused (EPERM): sockets, programs and
    /// processes of its own, other processes' memory, changes of files' owners and modes, namespaces, mounts,
    /// the kernel's own machinery.
    inference,
};

/// Whether this kernel takes filters of system calls.
[[nodiscard]] bool seccomp_available() noexcept;

/// The filter for a kind of work. To have one costs a millisecond, to load it much less.
class SyscallFilter {
public:
    /// Errors: sandbox_unavailable.
    [[nodiscard]] static Result<SyscallFilter> make(Work work);
    ~SyscallFilter();
    SyscallFilter(SyscallFilter&&) noexcept;
    SyscallFilter& operator=(SyscallFilter&&) noexcept;

    /// From now on it holds for the calling thread and all that it starts. There is no way back. Privileges must have
    /// been renounced before. Errors: sandbox_unavailable.
    [[nodiscard]] Result<void> load() const;

private:
    struct Program;
    explicit SyscallFilter(std::unique_ptr<Program> program);
    std::unique_ptr<Program> program_;
};

}  // namespace hotmic::system
