/// Keeps somebody serving: starts the fallbacks of a model that fails, and lets them go when it is back.
#pragma once

#include <set>
#include <stop_token>
#include <string>
#include <thread>

#include "hotmic/journal.hpp"
#include "server/catalog.hpp"

namespace hotmic::server {

/// Looks at the catalog after every transition of the journal, on a thread of its own.
class Fallbacks {
public:
    /// Both must outlive this.
    Fallbacks(const ModelCatalog& catalog, const Journal& journal);

    /// Brings the fallbacks in line with how the models stand now. A model in ERROR has its first fallback that is not
    /// itself in ERROR asked for; one that was loaded for this alone is unloaded once nobody needs it.
    void reconcile();

private:
    void run(const std::stop_token& stop);

    const ModelCatalog& catalog_;
    const Journal& journal_;
    std::set<std::string> called_;  ///< loaded only because another failed
    std::jthread thread_;           ///< last: the others are there while it runs
};

}  // namespace hotmic::server
