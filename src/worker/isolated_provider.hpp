/// A provider whose models run in processes of their own.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>

#include "hotmic/provider.hpp"
#include "worker/confinement.hpp"

namespace hotmic::worker {

struct IsolationOptions {
    /// The program to start as `PROGRAM worker`; it must call `worker_main` with the same providers.
    std::filesystem::path executable = "/proc/self/exe";
    /// A worker whose event loop (not its engine) is silent for this long is hung, and ended; 0: never asked.
    std::chrono::milliseconds heartbeat_timeout{10'000};
    Confinement confinement{};
};

/// The same provider, but each model it loads lives in a worker process: a stop requested during the load kills it, a
/// crash is an error value, and unloading gives every byte back. What loads no weights still runs here.
///
/// Before it opens the model a worker gives up what it does not need (confinement.hpp).
///
/// Errors beyond the inner provider's: sandbox_unavailable; worker_start_failed; worker_crashed (died while loading,
/// with signal or exit code and the last lines it printed); model_lost (died later); worker_hung (ended for its
/// silence).
[[nodiscard]] std::shared_ptr<Provider> isolate(std::shared_ptr<Provider> inner, IsolationOptions options = {});

}  // namespace hotmic::worker
