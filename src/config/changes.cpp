#include "config/changes.hpp"

#include "config/config.hpp"
#include "config/schema.hpp"

namespace hotmic::config {

Changes changes(const Config& before, const Config& after) {
    Changes found;
    auto old = before;  // fields are reached through pointers that could write
    auto now = after;
    Model none;
    for (const auto& key : keys()) {
        if (key.path.starts_with("models.*")) continue;
        if (read(key, old, none) != read(key, now, none)) found.restart.emplace_back(key.path);
    }
    for (const auto& [name, model] : after.models) {
        if (!before.models.contains(name)) found.added.push_back(name);
    }
    for (auto& [name, model] : old.models) {
        const auto successor = now.models.find(name);
        if (successor == now.models.end()) {
            found.removed.push_back(name);
            continue;
        }
        for (const auto& key : keys()) {
            if (!key.path.starts_with("models.*") || key.effect == Effect::none) continue;
            if (read(key, old, model) == read(key, now, successor->second)) continue;
            auto& where = key.effect == Effect::swap ? found.swapped[name] : found.restart;
            where.push_back(path_of(key.path, name));
        }
    }
    return found;
}

}  // namespace hotmic::config
