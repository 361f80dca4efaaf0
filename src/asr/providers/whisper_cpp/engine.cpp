#include "asr/providers/whisper_cpp/engine.hpp"

#include <ggml-backend.h>
#include <spdlog/spdlog.h>
#include <whisper.h>

#include <algorithm>
#include <cstddef>
#include <format>
#include <fstream>
#include <iterator>
#include <mutex>
#include <string>
#include <vector>

#include "hotmic/error.hpp"

namespace hotmic::whisper_cpp {
namespace {

/// Lines arrive in fragments, from any thread.
void log_fragment(ggml_log_level level, const char* text, void*) {
    thread_local std::string line;
    thread_local auto line_level = spdlog::level::debug;
    switch (level) {
        case GGML_LOG_LEVEL_ERROR:
            line_level = spdlog::level::err;
            break;
        case GGML_LOG_LEVEL_WARN:
            line_level = spdlog::level::warn;
            break;
        case GGML_LOG_LEVEL_CONT:
            break;  // goes on at the level the line began with
        default:
            line_level = spdlog::level::debug;
            break;
    }
    line += text;
    while (true) {
        const auto end = line.find('\n');
        if (end == std::string::npos) break;
        if (end > 0) spdlog::log(line_level, "whisper_cpp: {}", std::string_view(line).substr(0, end));
        line.erase(0, end + 1);
    }
}

Device describe(ggml_backend_dev_t device) {
    const auto type = ggml_backend_dev_type(device);
    return {ggml_backend_dev_name(device), ggml_backend_dev_description(device),
            type == GGML_BACKEND_DEVICE_TYPE_GPU || type == GGML_BACKEND_DEVICE_TYPE_IGPU};
}

}  // namespace

void start_engine() {
    static std::once_flag once;
    std::call_once(once, [] {
        whisper_log_set(log_fragment, nullptr);
        ggml_backend_load_all();
    });
}

std::vector<Device> devices() {
    start_engine();
    std::vector<Device> found;
    found.reserve(ggml_backend_dev_count());
    for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) found.push_back(describe(ggml_backend_dev_get(i)));
    std::ranges::stable_sort(found, {}, &Device::gpu);
    return found;
}

std::string cpu_variant() {
    constexpr std::string_view kMark = "libggml-cpu-";
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        if (const auto at = line.find(kMark); at != std::string::npos) {
            const auto begin = at + kMark.size();
            return line.substr(begin, line.find(".so", begin) - begin);
        }
    }
    return {};
}

Result<BackendChoice> choose_backend(const std::string& wanted) {
    const auto all = devices();
    std::vector<Device> gpus;
    std::ranges::copy_if(all, std::back_inserter(gpus), &Device::gpu);
    const auto gpu = [&](std::size_t index) {
        return BackendChoice{true, static_cast<int>(index),
                             std::format("{} ({})", gpus[index].name, gpus[index].description)};
    };
    const auto variant = cpu_variant();
    BackendChoice cpu{false, 0, variant.empty() ? "CPU" : std::format("CPU ({})", variant)};
    if (wanted == "cpu" || wanted == "CPU") return cpu;
    if (wanted == "auto" || wanted.empty()) return gpus.empty() ? cpu : gpu(0);
    if (wanted == "gpu" && !gpus.empty()) return gpu(0);
    std::string known = "cpu";
    for (std::size_t i = 0; i < gpus.size(); ++i) {
        if (gpus[i].name == wanted) return gpu(i);
        known += ", " + gpus[i].name;
    }
    return fail(ErrorCode::provider_unavailable,
                std::format("backend \"{}\" is not on this machine, which has: {}", wanted, known),
                "install libggml0-backend-vulkan, -cuda or -hip for a GPU, or set backend = \"auto\"", "backend");
}

}  // namespace hotmic::whisper_cpp
