#include "store/suggestion.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "hotmic/units.hpp"
#include "store/catalogue.hpp"
#include "store/library.hpp"
#include "store/machine_speed.hpp"

namespace hotmic::store {
namespace {

/// Text while somebody speaks decodes an utterance again and again: so much of a minute is left for it to be quick.
constexpr double kLiveSecondsPerMinute = 9;

/// Of those that are live the last is the largest, hence the best; without any, the lightest must do.
std::string best_of(const std::vector<const Entry*>& entries, const std::vector<Suggested>& models, bool english) {
    const Suggested* best = nullptr;
    for (std::size_t i = 0; i < models.size(); ++i) {
        const bool only_english = entries[i]->languages == std::vector<std::string>{"en"};
        if (only_english != english || !models[i].fits) continue;
        if (best == nullptr || models[i].live) best = &models[i];
    }
    return best == nullptr ? "" : best->name;
}

}  // namespace

Suggestion suggest(const Catalogue& catalogue, const Library& library, const MachineSpeed& speed,
                   Bytes available_memory) {
    Suggestion made{.measured = speed.measured, .available_memory_bytes = available_memory};
    std::vector<const Entry*> entries;
    for (const auto& entry : catalogue.entries()) {
        if (entry.gflop_per_second > 0) entries.push_back(&entry);
    }
    std::ranges::stable_sort(entries, {},
                             [](const Entry* each) { return std::pair(each->gflop_per_second, each->memory); });
    for (const auto* entry : entries) {
        Suggested each{.name = entry->name,
                       .note = entry->note,
                       .size_bytes = entry->size(),
                       .memory_bytes = entry->memory,
                       .seconds_per_minute = 60 * entry->gflop_per_second * speed.seconds_per_gflop,
                       .fits = entry->memory <= available_memory,
                       .state = "available"};
        each.live = each.fits && each.seconds_per_minute <= kLiveSecondsPerMinute;
        if (const auto found = library.find(*entry)) each.state = found->in_place ? "cached" : "here";
        made.models.push_back(std::move(each));
    }
    made.multilingual = best_of(entries, made.models, false);
    made.english = best_of(entries, made.models, true);
    return made;
}

}  // namespace hotmic::store
