#include "server/catalog.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <format>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/served_model.hpp"
#include "hotmic/state.hpp"
#include "system/mutex.hpp"
#include "system/start_thread.hpp"

namespace hotmic::server {
namespace {

bool answers_to(const EntryPtr& entry, std::string_view name) {
    return entry->name == name || std::ranges::contains(entry->aliases, name);
}

}  // namespace

ModelCatalog::ModelCatalog(JobBook& jobs) : jobs_(jobs) {}
ModelCatalog::ModelCatalog(std::vector<CatalogEntry> entries, JobBook& jobs) : ModelCatalog(jobs) {
    fill(std::move(entries));
}

ModelCatalog::~ModelCatalog() {
    for (auto& removal : removals_) (void)removal.entry->model->shutdown(Clock::now(), std::chrono::milliseconds(0));
}

void ModelCatalog::fill(std::vector<CatalogEntry> entries) {
    const Lock lock(mutex_);
    for (auto& entry : entries) entries_.push_back(std::make_shared<const CatalogEntry>(std::move(entry)));
    filled_ = true;
}

std::vector<EntryPtr> ModelCatalog::entries() const {
    const Lock lock(mutex_);
    return entries_;
}

EntryPtr ModelCatalog::lookup(std::string_view name) const {
    const auto found = std::ranges::find_if(entries_, [&](const EntryPtr& entry) { return answers_to(entry, name); });
    return found == entries_.end() ? nullptr : *found;
}

Result<EntryPtr> ModelCatalog::find(std::string_view name) const {
    const Lock lock(mutex_);
    if (!filled_)
        return fail(ErrorCode::model_not_loaded, "the server is finding out which models it has", "try again soon");
    if (name.empty() && !entries_.empty()) return entries_.front();
    if (auto entry = lookup(name)) return entry;
    std::string known;
    for (const auto& entry : entries_) {
        known += (known.empty() ? "" : ", ") + entry->name;
        for (const auto& alias : entry->aliases) known += ", " + alias;
    }
    return fail(ErrorCode::model_not_found, std::format("there is no model \"{}\"", name),
                std::format("this server has: {}", known), "model");
}

EntryPtr ModelCatalog::serving(const EntryPtr& entry) const {
    if (entry->fallback.empty()) return entry;
    if (const auto health = entry->model->health(); health.ready || health.resting) return entry;
    for (const auto& name : entry->fallback) {
        const auto other = find(name);
        if (other && (*other)->model->health().ready) return *other;
    }
    return entry;
}

bool ModelCatalog::ready() const {
    const auto all = entries();
    return !all.empty() && std::ranges::all_of(all, [&](const EntryPtr& entry) {
        if (!entry->required) return true;
        const auto health = serving(entry)->model->health();
        return health.ready || health.resting;
    });
}

Result<EntryPtr> ModelCatalog::add(CatalogEntry entry) {
    const Lock lock(mutex_);
    auto names = entry.aliases;
    names.push_back(entry.name);
    for (const auto& name : names) {
        if (lookup(name)) return fail(ErrorCode::invalid_request, std::format("there is a model \"{}\" already", name));
    }
    return entries_.emplace_back(std::make_shared<const CatalogEntry>(std::move(entry)));
}

Result<Job> ModelCatalog::remove(std::string_view name) {
    auto found = find(name);
    if (!found) return std::unexpected(std::move(found).error());
    const auto entry = *std::move(found);
    std::size_t place = 0;
    {
        // Looked at and taken out in one step: of two that delete the last two models, one must be refused.
        const Lock lock(mutex_);
        const auto at = std::ranges::find(entries_, entry);
        if (at == entries_.end()) return fail(ErrorCode::model_not_found, "it is being deleted already");
        if (entries_.size() == 1) {
            return fail(ErrorCode::invalid_request, "this is the only model of the server", "unload it, or swap it");
        }
        place = static_cast<std::size_t>(at - entries_.begin());
        entries_.erase(at);
        // One that nobody uses any more; destroyed here, for a request's last reference may be on the model's own
        // thread.
        std::erase_if(removals_, [](const Removal& each) { return *each.done && each.entry.use_count() == 1; });
    }
    auto job = jobs_.open("delete", entry->name);
    job.step = "draining and unloading";
    jobs_.update(job);
    auto done = std::make_shared<std::atomic<bool>>(false);
    auto thread = system::start_thread([this, entry = EntryPtr(entry), job, done]() mutable {
        const auto began = Clock::now();
        const auto gone = entry->model->shutdown(deadline_in(std::chrono::hours(24)));
        job.duration = Clock::now() - began;
        job.step = "done";
        job.state = gone ? Job::State::succeeded : Job::State::failed;
        if (!gone) job.error = gone.error();
        jobs_.update(job);
        entry.reset();
        *done = true;
    });
    const Lock lock(mutex_);
    if (!thread) {
        entries_.insert(entries_.begin() + static_cast<std::ptrdiff_t>(std::min(place, entries_.size())), entry);
        return std::unexpected(std::move(thread).error());
    }
    removals_.push_back({entry, std::move(done), *std::move(thread)});
    return job;
}

}  // namespace hotmic::server
