#include "cli/server_planner.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <format>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "cli/commands.hpp"
#include "cli/plan.hpp"
#include "config/changes.hpp"
#include "config/config.hpp"
#include "config/load.hpp"
#include "config/overlay.hpp"
#include "config/schema.hpp"
#include "hotmic/error.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/served_model.hpp"
#include "server/catalog.hpp"
#include "server/planner.hpp"
#include "system/mutex.hpp"
#include "worker/examiner.hpp"

namespace hotmic::cli {
namespace {

constexpr const char* kStrategy = "strategy";

std::optional<SwapStrategy> strategy_named(std::string_view name) {
    for (const auto each : {SwapStrategy::automatic, SwapStrategy::beside, SwapStrategy::replace}) {
        if (to_string(each) == name) return each;
    }
    return std::nullopt;
}

}  // namespace

server::CatalogEntry make_entry(const std::string& name, const config::Model& section, ModelPlan plan,
                                const Shared& shared) {
    plan.options.decoder = shared.decoder;
    auto model = std::make_unique<ServedModel>(name, std::move(plan), shared.memory, shared.journal, shared.jobs);
    return {.name = name,
            .aliases = section.aliases,
            .required = section.required,
            .on_demand = section.load == "demand",
            .fallback = section.fallback,
            .model = std::move(model)};
}

ServerPlanner::ServerPlanner(ConfigFlags flags, config::Loaded loaded, server::ModelCatalog& catalog,
                             const ProviderRegistry& providers, Shared shared)
    : flags_(std::move(flags)),
      catalog_(catalog),
      providers_(providers),
      shared_(std::move(shared)),
      loaded_(std::move(loaded)) {}

Result<void> ServerPlanner::fill_catalog() {
    const Lock lock(mutex_);
    const worker::Examiner::Session session(shared_.examiner);
    auto plans = make_plans(loaded_, providers_, shared_.memory.available(), shared_.downloads);
    if (!plans) return std::unexpected(std::move(plans).error());
    std::vector<server::CatalogEntry> entries;
    entries.reserve(plans->size());
    for (auto& [name, plan] : *plans)
        entries.push_back(make_entry(name, loaded_.config.models.at(name), std::move(plan), shared_));
    std::ranges::stable_partition(
        entries, [&](const auto& entry) HOTMIC_REQUIRES(mutex_) { return entry.name == loaded_.model; });
    catalog_.fill(std::move(entries));
    return {};
}

Result<server::Planner::Swap> ServerPlanner::plan_swap(std::string_view name,
                                                       const std::map<std::string, config::Value>& keys) {
    const Lock lock(mutex_);
    const auto found = loaded_.config.models.find(std::string(name));
    if (found == loaded_.config.models.end()) {
        return fail(ErrorCode::model_not_found, std::format("model \"{}\" is not configured", name), "", "model");
    }
    auto changed = keys;
    config::Value how = found->second.swap;
    if (const auto given = changed.find(kStrategy); given != changed.end()) {
        how = std::move(given->second);
        changed.erase(given);
    }
    const auto* text = std::get_if<std::string>(&how);
    const auto strategy = text ? strategy_named(*text) : std::nullopt;
    if (!strategy) return fail(ErrorCode::config_invalid, "strategy is none of auto, beside, replace", "", kStrategy);
    const auto section = config::overlay(found->second, changed, found->first);
    if (!section) return std::unexpected(section.error());
    const worker::Examiner::Session session(shared_.examiner);
    auto plan =
        make_plan(found->first, *section, loaded_.config, providers_, shared_.memory.available(), shared_.downloads);
    if (!plan) return std::unexpected(std::move(plan).error());
    plan->options.decoder = shared_.decoder;
    return Swap{*std::move(plan), *strategy};
}

Result<std::vector<Job>> ServerPlanner::reload() {
    auto fresh = load_config(flags_, false);
    if (!fresh) return std::unexpected(std::move(fresh).error());
    const Lock lock(mutex_);
    const worker::Examiner::Session session(shared_.examiner);
    const auto changes = config::changes(loaded_.config, fresh->config);

    std::map<std::string, ModelPlan> plans;
    const auto plan = [&](const std::string& name) -> Result<void> {
        auto made = make_plan(name, fresh->config.models.at(name), fresh->config, providers_,
                              shared_.memory.available(), shared_.downloads);
        if (!made) return std::unexpected(std::move(made).error());
        made->options.decoder = shared_.decoder;
        plans.emplace(name, *std::move(made));
        return {};
    };
    for (const auto& name : changes.added) {
        if (auto made = plan(name); !made) return std::unexpected(std::move(made).error());
    }
    for (const auto& [name, keys] : changes.swapped) {
        if (auto made = plan(name); !made) return std::unexpected(std::move(made).error());
    }

    std::vector<Job> begun;
    for (const auto& name : changes.removed) {
        if (auto job = catalog_.remove(name)) begun.push_back(*std::move(job));
    }
    for (const auto& name : changes.added) {
        const auto& section = fresh->config.models.at(name);
        auto added = catalog_.add(make_entry(name, section, std::move(plans.at(name)), shared_));
        if (!added) return std::unexpected(std::move(added).error());
        if (!(*added)->on_demand) begun.push_back((*added)->model->load());
    }
    for (const auto& [name, keys] : changes.swapped) {
        spdlog::info("configuration changed model={} keys={}", name, keys.size());
        const auto entry = catalog_.find(name);
        const auto strategy = strategy_named(fresh->config.models.at(name).swap).value_or(SwapStrategy::automatic);
        if (entry) begun.push_back((*entry)->model->swap(std::move(plans.at(name)), strategy));
    }
    for (const auto& key : changes.restart)
        spdlog::warn("configuration changed; this counts after a restart key={}", key);
    loaded_ = *std::move(fresh);
    return begun;
}

}  // namespace hotmic::cli
