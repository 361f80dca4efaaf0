/// Model names to managers: what `model` in a request may say.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hotmic/model_manager.hpp"

namespace hotmic::server {

/// One name a server answers to, with its aliases. Immutable once built, so it needs no lock.
struct CatalogEntry {
    std::string name;
    std::vector<std::string> aliases;
    bool required = true;
    std::unique_ptr<ModelManager> manager;
};

class ModelCatalog {
public:
    explicit ModelCatalog(std::vector<CatalogEntry> entries) : entries_(std::move(entries)) {}

    [[nodiscard]] const std::vector<CatalogEntry>& entries() const noexcept { return entries_; }
    /// By name or alias; an empty name is the first entry. Errors: model_not_found, naming those that exist.
    [[nodiscard]] Result<ModelManager*> find(std::string_view name) const;
    /// True when every required model is READY and there is at least one model.
    [[nodiscard]] bool ready() const;

private:
    std::vector<CatalogEntry> entries_;
};

}  // namespace hotmic::server
