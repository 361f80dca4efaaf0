/// The configuration of a running server: what a swap changes of it, and what follows when its file has changed.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.hpp"
#include "config/config.hpp"
#include "config/load.hpp"
#include "config/schema.hpp"
#include "hotmic/error.hpp"
#include "hotmic/journal.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/memory_broker.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/served_model.hpp"
#include "server/catalog.hpp"
#include "server/planner.hpp"
#include "store/downloads.hpp"
#include "system/mutex.hpp"
#include "worker/examiner.hpp"

namespace hotmic::cli {

/// What all models of a server share.
struct Shared {
    MemoryBroker& memory;
    Journal& journal;
    JobBook& jobs;
    worker::Examiner& examiner;
    std::shared_ptr<store::Downloads> downloads;
    std::shared_ptr<MediaDecoder> decoder;
};

/// A model as its section says, with what was chosen for it.
[[nodiscard]] server::CatalogEntry make_entry(const std::string& name, const config::Model& section, ModelPlan plan,
                                              const Shared& shared);

class ServerPlanner final : public server::Planner {
public:
    /// `loaded` is what `flags` led to. `catalog` is not filled yet. All references must outlive this.
    ServerPlanner(ConfigFlags flags, config::Loaded loaded, server::ModelCatalog& catalog,
                  const ProviderRegistry& providers, Shared shared);

    /// Chooses what each model is, which reads files, and fills the catalog, the default model first: it serves
    /// requests that name none. Whoever wants something of the planner meanwhile waits. Errors: those of make_plans.
    [[nodiscard]] Result<void> fill_catalog();

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
    Mutex mutex_;
    config::Loaded loaded_ HOTMIC_GUARDED_BY(mutex_);
};

}  // namespace hotmic::cli
