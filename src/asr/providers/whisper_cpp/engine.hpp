/// What is global in libwhisper and ggml: backends and logging.
#pragma once

#include <string>
#include <vector>

#include "hotmic/error.hpp"

namespace hotmic::whisper_cpp {

struct Device {
    std::string name;         ///< the engine's, e.g. "CPU", "Vulkan0"
    std::string description;  ///< e.g. "AMD EPYC", "NVIDIA H100"
    bool gpu = false;
};

/// Loads the backends and routes the engine's log to ours, once per process. Thread-safe.
void start_engine();

/// Everything the engine can compute on, CPUs first. Empty when no backend could be loaded.
[[nodiscard]] std::vector<Device> devices();

/// The CPU backend library in use, e.g. "sapphirerapids"; empty when it cannot be told.
[[nodiscard]] std::string cpu_variant();

/// How a configured backend is passed to the engine.
struct BackendChoice {
    bool use_gpu = false;
    int gpu_index = 0;
    std::string description;  ///< what inference will run on, for people
};

/// "auto": a GPU if there is one; "cpu"; "gpu": one must be there; else a device's name. Errors: provider_unavailable.
[[nodiscard]] Result<BackendChoice> choose_backend(const std::string& wanted);

}  // namespace hotmic::whisper_cpp
