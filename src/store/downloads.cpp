#include "store/downloads.hpp"

#include <chrono>
#include <iterator>
#include <optional>
#include <stop_token>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "store/catalogue.hpp"
#include "store/library.hpp"
#include "store/pull.hpp"
#include "system/mutex.hpp"

namespace hotmic::store {

void Rate::hear(const PullProgress& now, Clock::time_point at) {
    if (now.from != from_) {
        from_ = now.from;
        at_first_ = now.done;
        began_ = at;
    }
    const Seconds took = at - began_;
    const auto came = static_cast<double>((now.done - at_first_).count());
    constexpr double kTooSoon = 0.05;
    rate_ = took.count() > kTooSoon ? came / took.count() : 0;
    const auto left = static_cast<double>((now.total - now.done).count());
    eta_ = rate_ > 0 && now.total ? std::optional(Seconds(left / rate_)) : std::nullopt;
}

Result<Pulled> Downloads::pull(const Entry& entry, const Library& library, const PullSettings& settings,
                               const PullHeard& heard, const std::stop_token& stop) {
    const auto mine = [&] {
        const Lock lock(mutex_);
        auto& made = under_way_.emplace_back();
        made.model = entry.name;
        made.began = std::chrono::system_clock::now();
        return std::prev(under_way_.end());
    }();
    const auto hear = [&](const PullProgress& now) {
        {
            const Lock lock(mutex_);
            counts_.received += now.received - mine->progress.received;
            mine->progress = now;
            mine->rate.hear(now);
            mine->bytes_per_second = mine->rate.bytes_per_second();
            mine->eta = mine->rate.eta();
        }
        if (heard) heard(now);
    };
    auto pulled = store::pull(entry, library, settings, hear, stop);
    const Lock lock(mutex_);
    if (!pulled)
        ++counts_.results[std::string(to_string(pulled.error().code))];
    else if (!pulled->was_here)
        ++counts_.results["ok"];
    under_way_.erase(mine);
    return pulled;
}

std::vector<Downloads::UnderWay> Downloads::under_way() const {
    const Lock lock(mutex_);
    return {under_way_.begin(), under_way_.end()};
}

Downloads::Counts Downloads::counts() const {
    const Lock lock(mutex_);
    return counts_;
}

}  // namespace hotmic::store
