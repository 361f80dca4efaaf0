#include "cli/plan.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <ranges>
#include <tuple>
#include <vector>

#include "config/auto.hpp"
#include "lifecycle/baseline.hpp"
#include "worker/isolated_provider.hpp"

namespace hotmic::cli {
namespace {

/// Stands where no provider could be chosen, so that the model is there to say why.
class Unchosen final : public Provider {
public:
    Unchosen(std::string name, Error why) : name_(std::move(name)), why_(std::move(why)) {}

    std::string_view name() const noexcept override { return name_; }
    Availability availability() const override {
        return {.available = false, .reason = why_.message, .remedy = why_.remedy};
    }
    Capabilities capabilities() const override { return {}; }
    Result<ModelFileInfo> inspect(const ModelSpec&) const override { return std::unexpected(why_); }
    Result<ResourceEstimate> estimate(const ModelSpec&) const override { return std::unexpected(why_); }
    Result<std::unique_ptr<Model>> load(const ModelSpec&, LoadProgress&, std::stop_token) override {
        return std::unexpected(why_);
    }

private:
    const std::string name_;
    const Error why_;
};

LifecycleOptions options_of(const config::Model& section) {
    auto options = section.lifecycle;
    options.load_on_demand = section.load == "demand";
    options.baseline_folder = BaselineStore::default_folder();
    return options;
}

ModelPlan plan_without_choice(const config::Model& section, const Error& why) {
    return {.spec = config::spec_of(section),
            .provider = std::make_shared<Unchosen>(section.provider, why),
            .options = options_of(section),
            .reason = "nothing could be chosen: " + why.message};
}

/// Names in the order in which they are given memory.
std::vector<std::string> in_order(const config::Loaded& loaded) {
    auto names = std::views::keys(loaded.config.models) | std::ranges::to<std::vector<std::string>>();
    std::ranges::stable_sort(names, {}, [&](const std::string& name) {
        return std::tuple(loaded.config.models.at(name).path.empty(), name != loaded.model);
    });
    return names;
}

}  // namespace

Result<ModelPlan> make_plan(const std::string& name, const config::Model& section, const config::Config& config,
                            const ProviderRegistry& providers, std::uint64_t available_memory) {
    auto choice = config::choose(section, config.models_dir, providers, available_memory);
    if (!choice) return std::unexpected(std::move(choice.error()));
    spdlog::info("model chosen model={} provider={} path={} reason=\"{}\"", name, choice->spec.provider,
                 choice->spec.path.string(), choice->reason);
    for (const auto& each : choice->passed_over) spdlog::info("model passed over model={} {}", name, each);
    auto provider =
        section.isolate
            ? worker::isolate(choice->provider, {.heartbeat_timeout = section.lifecycle.supervise.heartbeat_timeout})
            : choice->provider;
    return ModelPlan{.spec = std::move(choice->spec),
                     .provider = std::move(provider),
                     .options = options_of(section),
                     .reason = std::move(choice->reason)};
}

Result<std::map<std::string, ModelPlan>> make_plans(const config::Loaded& loaded, const ProviderRegistry& providers,
                                                    std::uint64_t available_memory) {
    std::map<std::string, ModelPlan> plans;
    for (const auto& name : in_order(loaded)) {
        const auto& section = loaded.config.models.at(name);
        auto plan = make_plan(name, section, loaded.config, providers, available_memory);
        if (!plan) {
            auto& error = plan.error();
            if (loaded.config.models.size() > 1) error.message = "model " + name + ": " + error.message;
            if (section.required || error.code == ErrorCode::provider_unknown) return std::unexpected(std::move(error));
            spdlog::warn("no model chosen model={} code={} reason=\"{}\"", name, to_string(error.code), error.message);
            plan = plan_without_choice(section, error);
        } else if (section.load == "start") {
            const auto needs = plan->provider->estimate(plan->spec);
            available_memory -= std::min(available_memory, needs ? needs->total_bytes() : 0);
        }
        plans.emplace(name, std::move(*plan));
    }
    return plans;
}

}  // namespace hotmic::cli
