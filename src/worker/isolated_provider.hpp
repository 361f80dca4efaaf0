/// A provider whose models run in processes of their own.
#pragma once

#include <filesystem>
#include <memory>

#include "hotmic/provider.hpp"

namespace hotmic::worker {

struct IsolationOptions {
    /// The program to start as `PROGRAM worker`; it must call `worker_main` with the same providers.
    std::filesystem::path executable = "/proc/self/exe";
};

/// The same provider, but each model it loads lives in a worker process: a stop requested during the load kills it, a
/// crash is an error value, and unloading gives every byte back. What loads no weights still runs here.
///
/// Errors beyond the inner provider's: worker_start_failed; worker_crashed (died while loading, with signal or exit
/// code and the last lines it printed); model_lost (died later).
[[nodiscard]] std::shared_ptr<Provider> isolate(std::shared_ptr<Provider> inner, IsolationOptions options = {});

}  // namespace hotmic::worker
