/// Model names to models: what `model` in a request may say, and which model then serves.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/served_model.hpp"
#include "system/mutex.hpp"

namespace hotmic::server {

/// One name a server answers to, with its aliases.
struct CatalogEntry {
    std::string name;
    std::vector<std::string> aliases{};
    bool required = true;
    bool on_demand = false;               ///< not loaded at start
    std::vector<std::string> fallback{};  ///< names of entries that serve while this one cannot, in this order
    std::unique_ptr<ServedModel> model;
};
using EntryPtr = std::shared_ptr<const CatalogEntry>;

/// Thread safety: everything here may be called from any thread.
class ModelCatalog {
public:
    /// `jobs` must outlive this. The first entry serves requests that name no model.
    ModelCatalog(std::vector<CatalogEntry> entries, JobBook& jobs);
    /// Which models there are is not known yet: nothing is found until `fill`.
    explicit ModelCatalog(JobBook& jobs);
    ~ModelCatalog();
    ModelCatalog(const ModelCatalog&) = delete;
    ModelCatalog& operator=(const ModelCatalog&) = delete;

    /// Once.
    void fill(std::vector<CatalogEntry> entries);
    [[nodiscard]] std::vector<EntryPtr> entries() const;
    /// By name or alias; an empty name is the first entry. Errors: model_not_found, naming those that exist;
    /// model_not_loaded before `fill`.
    [[nodiscard]] Result<EntryPtr> find(std::string_view name) const;
    /// Who serves requests for `entry` now: itself, or while it cannot, its first fallback that is READY.
    [[nodiscard]] EntryPtr serving(const EntryPtr& entry) const;
    /// True when there is a model and every required one is served: is READY, rests, or a fallback of it is READY.
    [[nodiscard]] bool ready() const;

    /// Errors: invalid_request if there is a model of that name or alias.
    [[nodiscard]] Result<EntryPtr> add(CatalogEntry entry);
    /// No request finds it any more; those under way are finished, then its memory is given back, all as a job. Errors:
    /// model_not_found; invalid_request for the last model.
    [[nodiscard]] Result<Job> remove(std::string_view name);

private:
    struct Removal {
        EntryPtr entry;
        std::shared_ptr<std::atomic<bool>> done;
        std::jthread thread;
    };
    [[nodiscard]] EntryPtr lookup(std::string_view name) const HOTMIC_REQUIRES(mutex_);

    JobBook& jobs_;
    mutable Mutex mutex_;
    bool filled_ HOTMIC_GUARDED_BY(mutex_) = false;
    std::vector<EntryPtr> entries_ HOTMIC_GUARDED_BY(mutex_);
    std::vector<Removal> removals_ HOTMIC_GUARDED_BY(mutex_);
};

}  // namespace hotmic::server
