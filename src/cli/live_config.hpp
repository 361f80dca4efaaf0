/// The configuration of a running server: what a swap changes of it, and what follows when its file has changed.
#pragma once

#include <mutex>

#include "cli/commands.hpp"
#include "cli/plan.hpp"
#include "server/catalog.hpp"
#include "server/planner.hpp"

namespace hotmic::cli {

/// What all models of a server share.
struct Shared {
    MemoryBroker& memory;
    Journal& journal;
    JobBook& jobs;
};

/// A model as its section says, with what was chosen for it.
[[nodiscard]] server::CatalogEntry make_entry(const std::string& name, const config::Model& section, ModelPlan plan,
                                              const Shared& shared);

class LiveConfig final : public server::Planner {
public:
    /// `loaded` is what `flags` led to when `catalog` was made of it. All references must outlive this.
    LiveConfig(ConfigFlags flags, config::Loaded loaded, server::ModelCatalog& catalog,
               const ProviderRegistry& providers, Shared shared);

    [[nodiscard]] Result<Swap> plan_swap(std::string_view name,
                                         const std::map<std::string, config::Value>& keys) override;
    /// Models that are new are added and loaded, those that are gone removed, those whose sections changed swapped.
    /// What else changed is logged as waiting for a restart.
    [[nodiscard]] Result<std::vector<Job>> reload() override;

private:
    const ConfigFlags flags_;
    server::ModelCatalog& catalog_;
    const ProviderRegistry& providers_;
    const Shared shared_;
    std::mutex mutex_;
    config::Loaded loaded_;
};

}  // namespace hotmic::cli
