#include "server/catalog.hpp"

#include <algorithm>
#include <format>

namespace hotmic::server {

Result<ModelManager*> ModelCatalog::find(std::string_view name) const {
    if (name.empty() && !entries_.empty()) return entries_.front().manager.get();
    std::string known;
    for (const auto& entry : entries_) {
        if (entry.name == name || std::ranges::contains(entry.aliases, name)) return entry.manager.get();
        known += (known.empty() ? "" : ", ") + entry.name;
        for (const auto& alias : entry.aliases) known += ", " + alias;
    }
    return fail(ErrorCode::model_not_found, std::format("there is no model \"{}\"", name),
                std::format("this server has: {}", known), "model");
}

bool ModelCatalog::ready() const {
    return !entries_.empty() && std::ranges::all_of(entries_, [](const CatalogEntry& entry) {
        return !entry.required || entry.manager->health().ready;
    });
}

}  // namespace hotmic::server
