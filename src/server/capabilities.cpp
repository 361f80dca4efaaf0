#include "server/capabilities.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "hotmic/live_stream.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/served_model.hpp"
#include "hotmic/units.hpp"
#include "server/context.hpp"
#include "system/memory.hpp"
#include "system/sandbox.hpp"
#include "text/json.hpp"

namespace hotmic::server {
namespace wire {

struct Machine {
    double ram_gb = 0;
    double ram_available_gb = 0;
    std::optional<double> ram_limit_gb;  // of the cgroup
    unsigned cpu_cores = 0;
    double cpu_percent = 0;  // load of the last minute, of all cores
    bool has_gpu = false;
    bool has_cuda = false;
    int cuda_devices = 0;
    bool has_mps = false;  // Apple's; there is no build for it
    std::string os_name = "linux";
    std::string arch;
};

struct ProviderBody {
    std::string name;
    bool available = false;
    std::string version;
    std::string reason;
    std::string remedy;
    std::vector<std::string> devices;
    Capabilities capabilities;
};

struct Recommendation {
    std::string provider;
    std::string model;
    double chunk_seconds = 0;              // between two decodes of somebody who speaks
    std::string compute_type = "default";  // what the model's file was made for
    std::string device;
    bool vad_enabled = true;
    std::string reason;
    std::optional<int> n_threads;
};

/// What this machine gives for confining workers and decoders, and whether it is used.
struct SandboxBody {
    std::string mode;  // require, try, off
    bool seccomp = false;
    int landlock_abi = 0;  // 0: no Landlock
    std::string lacks;     // in words; empty: nothing
};

struct CapabilitiesBody {
    Machine profile;
    SandboxBody sandbox;
    std::vector<ProviderBody> providers;
    Recommendation recommendation;
    std::map<std::string, std::string> env_vars;  // EchoPanel's settings; this server has none of those
};

}  // namespace wire

std::string capabilities_json(const Context& context) {
    constexpr auto kGb = mebibytes(1024);
    wire::CapabilitiesBody body;
    body.profile.ram_gb = Bytes(sysconf(_SC_PAGESIZE)) * sysconf(_SC_PHYS_PAGES) / kGb;
    body.profile.ram_available_gb = system::available_memory() / kGb;
    if (const auto limit = system::cgroup_memory_limit()) body.profile.ram_limit_gb = *limit / kGb;
    body.profile.cpu_cores = std::thread::hardware_concurrency();
#ifdef __x86_64__
    body.profile.arch = "x86_64";
#elif defined(__aarch64__)
    body.profile.arch = "aarch64";
#endif
    std::array<double, 1> load{};
    if (getloadavg(load.data(), 1) == 1)
        body.profile.cpu_percent = std::min(100.0, 100 * load[0] / body.profile.cpu_cores);
    const auto support = system::SandboxSupport::of_kernel();
    body.sandbox = {.mode = context.config.sandbox,
                    .seccomp = support.seccomp,
                    .landlock_abi = support.landlock_abi,
                    .lacks = support.lacks()};
    for (const auto& provider : context.providers.all()) {
        const auto availability = provider->availability();
        for (const auto& device : availability.devices) {
            if (device.contains("GPU")) body.profile.has_gpu = true;
            if (device.contains("CUDA")) ++body.profile.cuda_devices;
        }
        body.providers.push_back({.name = std::string(provider->name()),
                                  .available = availability.available,
                                  .version = availability.version,
                                  .reason = availability.reason,
                                  .remedy = availability.remedy,
                                  .devices = availability.devices,
                                  .capabilities = provider->capabilities()});
    }
    body.profile.has_cuda = body.profile.cuda_devices > 0;
    const auto entry = context.catalog.find("");
    if (!entry) return to_json(body);  // too early to recommend one
    const auto& model = *(*entry)->model;
    const auto plan = model.plan();
    body.recommendation = {.provider = plan.spec.provider,
                           .model = describe_model(plan.spec),
                           .chunk_seconds = LiveStream::kBetweenPartials.count(),
                           .device = plan.spec.backend,
                           .reason = plan.reason};
    if (const auto health = model.health(); health.info) {
        body.recommendation.device = health.info->backend;
        body.recommendation.n_threads = health.info->threads;
    }
    return to_json(body);
}

}  // namespace hotmic::server
