#include "worker/confinement.hpp"

#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <ranges>
#include <string_view>
#include <system_error>
#include <vector>

#include "system/landlock.hpp"

namespace hotmic::worker {
namespace {

namespace fs = std::filesystem;

constexpr std::array kVariables{
    // the loader, the C library and its relatives
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "LD_BIND_NOW",
    "LANG",
    "LC_*",
    "TZ",
    "MALLOC_*",
    "GLIBC_TUNABLES",
    // threads and arithmetic
    "OMP_*",
    "GOMP_*",
    "KMP_*",
    "MKL_*",
    "OPENBLAS_*",
    // engines
    "GGML_*",
    "WHISPER_*",
    "ORT_*",
    "POCKETSPHINX_*",
    // devices and their drivers
    "VK_*",
    "MESA_*",
    "RADV_*",
    "ANV_*",
    "INTEL_*",
    "LIBGL_*",
    "DRI_PRIME",
    "XDG_DATA_DIRS",
    "CUDA_*",
    "NVIDIA_*",
    "__NV_*",
    "__GL_*",
    "HIP_*",
    "HSA_*",
    "ROCR_*",
    "ROCM_*",
    "AMD_*",
    "GPU_*",
    "ONEAPI_*",
    "SYCL_*",
    "ZE_*",
    // sanitizers
    "ASAN_OPTIONS",
    "LSAN_OPTIONS",
    "TSAN_OPTIONS",
    "UBSAN_OPTIONS",
};

/// Programs, libraries, their data, and what the kernel tells of the machine. Nobody's secrets are here: /proc shows
/// this process, and of others what it shows to everybody; Landlock keeps it from looking into them.
constexpr std::array kSystem{
    "/usr",
    "/lib",
    "/lib64",
    "/opt/rocm",
    "/opt/amdgpu",
    "/opt/intel",
    "/nix/store",
    "/gnu/store",
    "/sys/devices",
    "/sys/class",
    "/sys/bus/pci",
    "/sys/dev",
    "/sys/fs/cgroup",
    "/sys/kernel/mm",
    "/sys/module",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/self",
    "/proc/sys/vm",
    "/proc/sys/kernel",
    "/proc/driver",
    "/proc/devices",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/localtime",
    "/etc/vulkan",
    "/etc/OpenCL",
    "/etc/glvnd",
    "/etc/drirc",
    "/etc/nvidia",
    "/etc/alternatives",
    "/run/opengl-driver",
    "/dev/urandom",
};

/// Those that compute; besides these, every /dev/nvidia….
constexpr std::array kDevices{"/dev/null",  "/dev/zero", "/dev/dri",        "/dev/kfd",
                              "/dev/accel", "/dev/shm",  "/dev/nvidia-caps"};

/// Folders of caches that drivers are told of by name.
constexpr std::array kCaches{"CUDA_CACHE_PATH", "MESA_SHADER_CACHE_DIR", "__GL_SHADER_DISK_CACHE_PATH"};

bool fits(std::string_view name, std::string_view pattern) {
    if (pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
    return name == pattern;
}

/// The files that links in a folder lead to: a hub's cache keeps contents elsewhere.
void add_targets(const fs::path& folder, int depth, std::vector<fs::path>& into) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, fs::directory_options::skip_permission_denied, error)) {
        if (entry.is_symlink(error)) {
            const auto target = fs::canonical(entry.path(), error);
            if (!error && fs::is_regular_file(target, error)) into.push_back(target);
        } else if (depth > 0 && entry.is_directory(error)) {
            add_targets(entry.path(), depth - 1, into);
        }
    }
}

/// Descriptions that stand in the folder above: tokenizers and the like.
void add_descriptions(const fs::path& folder, std::vector<fs::path>& into) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, fs::directory_options::skip_permission_denied, error)) {
        const auto ending = entry.path().extension();
        const bool describes = ending == ".json" || ending == ".txt" || ending == ".model";
        if (describes && entry.is_regular_file(error)) into.push_back(entry.path());
    }
}

/// An exported model is files of one folder that name each other; any other file stands for itself.
void add_model(const fs::path& model, std::vector<fs::path>& into) {
    std::error_code error;
    if (model.empty() || !fs::exists(model, error)) return;
    into.push_back(model);
    const auto absolute = fs::absolute(model, error).lexically_normal();
    const bool is_folder = fs::is_directory(model, error);
    if (!is_folder && absolute.extension() != ".onnx") return;
    const auto folder =
        is_folder ? (absolute.has_filename() ? absolute : absolute.parent_path()) : absolute.parent_path();
    into.push_back(folder);
    add_targets(folder, 2, into);
    add_descriptions(folder.parent_path(), into);
}

/// The folders of the libraries that are loaded, where engines look for more of theirs.
void add_libraries(std::vector<fs::path>& into) {
    const auto add = [](dl_phdr_info* library, std::size_t, void* paths) {
        const fs::path file(library->dlpi_name);
        if (file.is_absolute()) static_cast<std::vector<fs::path>*>(paths)->push_back(file.parent_path());
        return 0;
    };
    ::dl_iterate_phdr(add, &into);
    std::error_code error;
    into.push_back(fs::read_symlink("/proc/self/exe", error).parent_path());
}

void add_variable(const char* name, std::vector<fs::path>& into) {
    const char* value = std::getenv(name);
    if (value == nullptr) return;
    for (const auto part : std::views::split(std::string_view(value), ':')) {
        const fs::path path{std::string_view(part)};
        if (path.is_absolute() && path != path.root_path()) into.push_back(path);
    }
}

}  // namespace

system::Reach reach_of_engine(const fs::path& model, const std::vector<fs::path>& more) {
    system::Reach reach;
    reach.readable.assign(kSystem.begin(), kSystem.end());
    reach.readable.append_range(more);
    add_model(model, reach.readable);
    add_libraries(reach.readable);
    for (const auto* name : {"LD_LIBRARY_PATH", "LD_PRELOAD", "GGML_BACKEND_PATH", "VK_ICD_FILENAMES",
                             "VK_DRIVER_FILES", "VK_ADD_DRIVER_FILES", "VK_LAYER_PATH", "POCKETSPHINX_PATH"})
        add_variable(name, reach.readable);
    reach.devices.assign(kDevices.begin(), kDevices.end());
    std::error_code error;
    for (const auto& entry : fs::directory_iterator("/dev", error)) {
        if (entry.path().filename().string().starts_with("nvidia")) reach.devices.push_back(entry.path());
    }
    for (const auto* name : kCaches) add_variable(name, reach.writable);
    return reach;
}

std::vector<std::string> engine_environment(const std::vector<std::string>& more) {
    // Idle slots that spin would take the cores from busy ones.
    std::vector<std::string> environment{"OMP_WAIT_POLICY=passive", "GOMP_SPINCOUNT=0"};
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        const auto name = text.substr(0, text.find('='));
        const auto fit = [name](std::string_view pattern) { return fits(name, pattern); };
        if (name == "OMP_WAIT_POLICY" || name == "GOMP_SPINCOUNT") continue;
        if (std::ranges::any_of(kVariables, fit) || std::ranges::any_of(more, fit)) environment.emplace_back(text);
    }
    return environment;
}

}  // namespace hotmic::worker
