#include "lifecycle/quarantine.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <format>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/state.hpp"
#include "system/mutex.hpp"

namespace hotmic {

std::vector<Clock::time_point> Quarantine::note_death(std::vector<std::uint64_t> fingerprints, Clock::time_point now) {
    std::ranges::sort(fingerprints);
    const auto copies = std::ranges::unique(fingerprints);
    fingerprints.erase(copies.begin(), copies.end());
    std::vector<Clock::time_point> explained;
    const Lock lock(mutex_);
    std::erase_if(entries_, [&](const Entry& entry) { return now - entry.deaths.back() >= refusal_; });
    for (const auto fingerprint : fingerprints) {
        if (fingerprint == 0) continue;
        Entry entry{fingerprint, {}};
        if (const auto known = std::ranges::find(entries_, fingerprint, &Entry::fingerprint); known != entries_.end()) {
            entry = std::move(*known);
            entries_.erase(known);
        }
        if (std::ssize(entry.deaths) + 1 >= Request::kMostDeaths) explained.append_range(entry.deaths);
        entry.deaths.push_back(now);
        entries_.push_back(std::move(entry));
    }
    while (entries_.size() > kMost) entries_.pop_front();
    return explained;
}

const Quarantine::Entry* Quarantine::find(std::uint64_t fingerprint, Clock::time_point now) const {
    const auto found = std::ranges::find(entries_, fingerprint, &Entry::fingerprint);
    return fingerprint == 0 || found == entries_.end() || now - found->deaths.back() >= refusal_ ? nullptr : &*found;
}

int Quarantine::deaths(std::uint64_t fingerprint, Clock::time_point now) const {
    const Lock lock(mutex_);
    const auto* entry = find(fingerprint, now);
    return entry == nullptr ? 0 : static_cast<int>(entry->deaths.size());
}

std::optional<Clock::duration> Quarantine::refused_for(std::uint64_t fingerprint, Clock::time_point now) const {
    const Lock lock(mutex_);
    const auto* entry = find(fingerprint, now);
    if (entry == nullptr || std::ssize(entry->deaths) < Request::kMostDeaths) return std::nullopt;
    return entry->deaths.back() + refusal_ - now;
}

void Quarantine::acquit(std::uint64_t fingerprint) {
    const Lock lock(mutex_);
    std::erase_if(entries_, [&](const Entry& entry) { return entry.fingerprint == fingerprint; });
}

void Quarantine::clear() {
    const Lock lock(mutex_);
    entries_.clear();
}

Error poison(std::optional<Clock::duration> again) {
    const auto seconds = again ? std::chrono::ceil<std::chrono::seconds>(*again).count() : 0;
    return {ErrorCode::poison_request,
            std::format("the model died {} times while it worked on this request", Request::kMostDeaths),
            again ? std::format("it is not tried again for {} s; send other audio, or report it", seconds)
                  : "send other audio, or report it"};
}

}  // namespace hotmic
