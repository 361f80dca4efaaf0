#include "cli/plan.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <format>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "cli/fetching.hpp"
#include "config/alternatives.hpp"
#include "config/config.hpp"
#include "config/load.hpp"
#include "config/model_choice.hpp"
#include "config/pull_settings.hpp"
#include "hotmic/error.hpp"
#include "hotmic/lifecycle_options.hpp"
#include "hotmic/load_progress.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/served_model.hpp"
#include "hotmic/units.hpp"
#include "lifecycle/baseline.hpp"
#include "store/catalogue.hpp"
#include "store/downloads.hpp"
#include "store/library.hpp"
#include "system/sandbox.hpp"
#include "text/human_size.hpp"
#include "worker/confinement.hpp"
#include "worker/decoders.hpp"
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

std::shared_ptr<Provider> isolated(const config::Model& section, const config::Config& config,
                                   const std::shared_ptr<Provider>& provider) {
    if (!section.isolate) return provider;
    return worker::isolate(provider, {.heartbeat_timeout = section.lifecycle.supervise.heartbeat_timeout,
                                      .confinement = confinement_of(config)});
}

/// The catalogue's entry that a path means, where it is the name of one and no file.
const store::Entry* named_by(const std::filesystem::path& path, const config::Config& config) {
    std::error_code ignored;
    if (!config.known_models || path.empty() || std::filesystem::exists(path, ignored)) return nullptr;
    return config.known_models->find(path.string());
}

std::optional<store::Installed> installed_as(const std::filesystem::path& path, const config::Config& config,
                                             const store::Library& library) {
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored)) return std::nullopt;
    const auto* entry = named_by(path, config);
    return entry == nullptr ? library.find(path.string()) : library.find(*entry);
}

/// The section with the place of the model in place of its name.
config::Model at(config::Model section, const store::Installed& model) {
    section.path = model.path;
    if (section.sha256.empty()) section.sha256 = model.digest();
    return section;
}

/// A plan for a model that was named and is not here.
std::optional<ModelPlan> plan_to_fetch(const config::Model& section, const config::Config& config,
                                       const ProviderRegistry& providers,
                                       const std::shared_ptr<store::Downloads>& downloads) {
    const auto* named = named_by(section.path, config);
    const auto library = store::Library::of_process(config.models_dir);
    if (named == nullptr || library.find(*named)) return std::nullopt;
    const auto entry = named->asked_for_as(section.path.string());
    const auto choose = [section, config, &providers](const store::Installed& model) -> Result<Loader> {
        auto choice = config::choose(at(section, model), config.models_dir, providers, MemoryBroker().available());
        if (!choice) return std::unexpected(std::move(choice).error());
        return Loader{isolated(section, config, choice->provider), std::move(choice->spec)};
    };
    auto reason = entry.size() ? std::format("it is downloaded first, {}", human_size(entry.size()))
                               : std::string("it is downloaded first");
    return ModelPlan{.spec = config::spec_of(section),
                     .provider = fetching_provider(section.provider, entry, library, config::pull_settings(config),
                                                   downloads, choose),
                     .options = options_of(section),
                     .reason = std::move(reason)};
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

worker::Confinement confinement_of(const config::Config& config) {
    worker::Confinement confinement{.mode = system::sandbox_named(config.sandbox).value_or(system::Sandbox::attempt),
                                    .variables = config.worker_environment};
    confinement.readable.assign(config.worker_paths.begin(), config.worker_paths.end());
    return confinement;
}

worker::DecoderOptions decoder_options(const config::Config& config) {
    const auto& audio = config.audio;
    return {.sandbox = confinement_of(config).mode,
            .memory = Bytes(audio.decoder_memory_bytes),
            .timeout = audio.decoder_timeout,
            .formats = {.containers = audio.containers, .codecs = audio.codecs}};
}

Result<config::Choice> choose_model(const config::Model& section, const config::Config& config,
                                    const ProviderRegistry& providers, Bytes available_memory) {
    const auto library = store::Library::of_process(config.models_dir);
    if (section.path.empty()) {
        std::vector<std::filesystem::path> elsewhere;
        if (config.known_models) {
            for (const auto& model : library.cached(*config.known_models)) elsewhere.push_back(model.path);
        }
        return config::choose(section, config.models_dir, providers, available_memory, elsewhere);
    }
    const auto installed = installed_as(section.path, config, library);
    if (const auto* entry = named_by(section.path, config); entry != nullptr && !installed) {
        return fail(ErrorCode::model_file_missing, std::format("{} is not on this machine yet", entry->name),
                    std::format("`hotmic pull {}` downloads it; so does a server that is to serve it", entry->name),
                    "path");
    }
    if (!installed) return config::choose(section, config.models_dir, providers, available_memory);
    auto choice = config::choose(at(section, *installed), config.models_dir, providers, available_memory);
    if (choice) choice->reason += std::format("; {} is {}", section.path.string(), installed->path.string());
    return choice;
}

Result<ModelPlan> make_plan(const std::string& name, const config::Model& section, const config::Config& config,
                            const ProviderRegistry& providers, Bytes available_memory,
                            const std::shared_ptr<store::Downloads>& downloads) {
    if (auto plan = plan_to_fetch(section, config, providers, downloads)) return *std::move(plan);
    auto choice = choose_model(section, config, providers, available_memory);
    if (!choice) return std::unexpected(std::move(choice.error()));
    spdlog::info("model chosen model={} provider={} path={} reason=\"{}\"", name, choice->spec.provider,
                 choice->spec.path.string(), choice->reason);
    for (const auto& each : choice->passed_over) spdlog::info("model passed over model={} {}", name, each);
    auto alternatives = config::alternatives_to(*choice, section, providers);
    for (auto& each : alternatives) each.provider = isolated(section, config, each.provider);
    auto provider = isolated(section, config, choice->provider);
    return ModelPlan{.spec = std::move(choice->spec),
                     .provider = std::move(provider),
                     .options = options_of(section),
                     .reason = std::move(choice->reason),
                     .alternatives = std::move(alternatives)};
}

Result<std::map<std::string, ModelPlan>> make_plans(const config::Loaded& loaded, const ProviderRegistry& providers,
                                                    Bytes available_memory,
                                                    const std::shared_ptr<store::Downloads>& downloads) {
    std::map<std::string, ModelPlan> plans;
    const bool anything_left_open = std::ranges::any_of(
        loaded.config.models, [](const auto& each) { return each.second.path.empty(); });  // or nobody wants to know
    for (const auto& name : in_order(loaded)) {
        const auto& section = loaded.config.models.at(name);
        auto plan = make_plan(name, section, loaded.config, providers, available_memory, downloads);
        if (!plan) {
            auto& error = plan.error();
            if (loaded.config.models.size() > 1) error.message = "model " + name + ": " + error.message;
            if (section.required || error.code == ErrorCode::provider_unknown) return std::unexpected(std::move(error));
            spdlog::warn("no model chosen model={} code={} reason=\"{}\"", name, to_string(error.code), error.message);
            plan = plan_without_choice(section, error);
        } else if (section.load == "start" && anything_left_open) {
            const auto needs = plan->provider->estimate(plan->spec);
            if (needs) available_memory -= needs->total();
        }
        plans.emplace(name, std::move(*plan));
    }
    return plans;
}

}  // namespace hotmic::cli
