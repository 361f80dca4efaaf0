/// Landlock by its system calls: which files, networks and processes a thread can reach.
#pragma once

#include <filesystem>
#include <vector>

#include "hotmic/error.hpp"

namespace hotmic::system {

/// What may be reached by its name. What is already open stays usable. A path that does not exist is no error; a folder
/// stands for everything beneath it.
struct Reach {
    std::vector<std::filesystem::path> readable{};
    std::vector<std::filesystem::path> devices{};   ///< read, written to and controlled (ioctl)
    std::vector<std::filesystem::path> writable{};  ///< read, written to, made and removed
};

/// The version of Landlock's interface that this kernel has; 0: none (not built in, not switched on, or forbidden).
/// 1 guards files; from 4 on TCP, from 5 on devices, from 6 on signals and abstract sockets are guarded, too.
[[nodiscard]] int landlock_abi() noexcept;

/// From now on the calling thread and all that it starts reach only that: no other file, and, as far as this kernel
/// knows how, no TCP port, no abstract socket and no process of others by a signal. There is no way back. Privileges
/// must have been renounced before. Errors: sandbox_unavailable.
[[nodiscard]] Result<void> reach_only(const Reach& reach);

}  // namespace hotmic::system
