#include "server/fallback.hpp"

#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdint>
#include <set>
#include <stop_token>
#include <string>

#include "hotmic/error.hpp"
#include "hotmic/journal.hpp"
#include "hotmic/state.hpp"
#include "server/catalog.hpp"

namespace hotmic::server {

Fallbacks::Fallbacks(const ModelCatalog& catalog, const Journal& journal)
    : catalog_(catalog), journal_(journal), thread_([this](const std::stop_token& stop) { run(stop); }) {}

void Fallbacks::run(const std::stop_token& stop) {
    std::uint64_t seen = 0;
    while (!stop.stop_requested()) {
        const auto news = journal_.wait_since(seen, deadline_in(std::chrono::hours(1)), stop);
        if (news.empty()) continue;
        seen = news.back().sequence;
        reconcile();
    }
}

void Fallbacks::reconcile() {
    std::set<std::string> needed;
    for (const auto& entry : catalog_.entries()) {
        if (entry->fallback.empty()) continue;
        const auto health = entry->model->health();
        if (health.ready || health.resting || health.state == ModelState::unloading) continue;
        bool asked = health.state != ModelState::error;
        for (const auto& name : entry->fallback) {
            const auto other = catalog_.find(name);
            if (!other) continue;
            const auto standing = (*other)->model->health();
            if (standing.state == ModelState::error) continue;
            needed.insert((*other)->name);
            if (!asked && standing.state == ModelState::uninitialized) {
                spdlog::warn("fallback asked for model={} fallback={} cause={:?}", entry->name, (*other)->name,
                             health.reason);
                called_.insert((*other)->name);
                (*other)->model->start();
            }
            asked = true;
            if (standing.ready) break;
        }
    }
    for (auto name = called_.begin(); name != called_.end();) {
        const auto other = needed.contains(*name) ? Result<EntryPtr>(nullptr) : catalog_.find(*name);
        if (other && *other == nullptr) {
            ++name;
            continue;
        }
        if (other) {
            spdlog::info("fallback let go fallback={}", *name);
            (void)(*other)->model->release();
        }
        name = called_.erase(name);
    }
}

}  // namespace hotmic::server
