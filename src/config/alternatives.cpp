#include "config/alternatives.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "config/model_choice.hpp"
#include "hotmic/model_manager.hpp"
#include "hotmic/provider.hpp"

namespace hotmic::config {
namespace {

/// Anything but processors, whose devices all begin like this.
bool has_other_devices(const Provider& provider) {
    return std::ranges::any_of(provider.availability().devices,
                               [](const std::string& device) { return !device.starts_with("CPU"); });
}

}  // namespace

std::vector<Alternative> alternatives_to(const Choice& choice, const Model& model, const ProviderRegistry& providers) {
    std::vector<Alternative> others;
    if (model.backend == "auto" && has_other_devices(*choice.provider)) {
        auto on_cpu = choice.spec;
        on_cpu.backend = "cpu";
        others.push_back({std::move(on_cpu), choice.provider});
    }
    // A provider's own model is no file that another could run.
    if (model.provider != "auto" || choice.spec.path.empty()) return others;
    for (const auto& provider : providers.all()) {
        if (provider == choice.provider || !provider->availability().available) continue;
        auto spec = choice.spec;
        spec.provider = provider->name();
        if (provider->inspect(spec)) others.push_back({std::move(spec), provider});
    }
    return others;
}

}  // namespace hotmic::config
