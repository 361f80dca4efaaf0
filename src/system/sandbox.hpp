/// What a process gives up for good before it reads what strangers have sent.
///
/// Three parts of the kernel, each of which may be missing: privileges are renounced (always there), Landlock takes
/// files and networks away (landlock.hpp), seccomp system calls (seccomp.hpp). All bind the calling thread and what it
/// starts, so they are applied before a process has a second thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hotmic/error.hpp"
#include "system/landlock.hpp"
#include "system/seccomp.hpp"

namespace hotmic::system {

/// What happens where the kernel lacks a part.
enum class Sandbox : std::uint8_t {
    require,  ///< nothing is started
    attempt,  ///< the rest is applied, and the lack is told; "try"
    off,      ///< nothing is applied anywhere
};
/// "require", "try", "off".
[[nodiscard]] std::string_view to_string(Sandbox mode) noexcept;
[[nodiscard]] std::optional<Sandbox> sandbox_named(std::string_view name) noexcept;

/// What this kernel, and whoever confined us, gives to a process that wants to give things up.
struct SandboxSupport {
    bool seccomp = false;
    int landlock_abi = 0;  ///< 0: no Landlock

    [[nodiscard]] static SandboxSupport of_kernel() noexcept;
    /// In words: what is missing, and what that means. Empty: nothing is.
    [[nodiscard]] std::string lacks() const;
};

/// Error: sandbox_unavailable, where `mode` requires what the kernel lacks.
[[nodiscard]] Result<void> check(Sandbox mode, const SandboxSupport& support);

/// Privileges of this process: no program that it starts has more than itself, and of root's own it keeps at most the
/// one to read files whoever owns them. Errors: sandbox_unavailable.
[[nodiscard]] Result<void> renounce_privileges(bool may_read_all_files);

/// Privileges, files and networks, as `confine`; system calls stay.
[[nodiscard]] Result<std::string> give_up_reach(Sandbox mode, const Reach& reach, bool may_read_all_files);

/// All three parts, as far as `mode` asks for them. Returns what could not be done, in words; empty: all was.
/// Errors: sandbox_unavailable, with `Sandbox::require`.
[[nodiscard]] Result<std::string> confine(Sandbox mode, const Reach& reach, Work work);

}  // namespace hotmic::system
