/// What a worker may reach: its model, the libraries and devices of engines, and no secret of the server's.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "system/landlock.hpp"
#include "system/sandbox.hpp"

namespace hotmic::worker {

/// How a worker is confined; the operator's part of it.
struct Confinement {
    system::Sandbox mode = system::Sandbox::attempt;
    std::vector<std::filesystem::path> readable{};  ///< further files and folders
    std::vector<std::string> variables{};           ///< further variables: "NAME", or "PREFIX*"
};

/// What a worker reaches that runs the model at `model`: the model read-only (a file; of an exported model the folder
/// that it is in; what links in it lead to), the folders of the system's libraries and drivers read-only, `more`
/// likewise, the devices that compute. Caches that drivers keep are written where their variables name a folder.
/// Nothing else: no home, no configuration, no other model, no temporary files.
[[nodiscard]] system::Reach reach_of_engine(const std::filesystem::path& model,
                                            const std::vector<std::filesystem::path>& more);

/// The variables of our own environment that a worker is given: those that engines, their drivers, the C library and
/// sanitizers read, and `more`. OpenMP is told not to spin.
[[nodiscard]] std::vector<std::string> engine_environment(const std::vector<std::string>& more);

}  // namespace hotmic::worker
