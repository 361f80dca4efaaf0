#include "telemetry/exemplars.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "system/mutex.hpp"

namespace hotmic::telemetry {

void Exemplars::keep(const std::string& family, const prometheus::Labels& labels, double bound, double value,
                     TraceReference trace) {
    if (trace.trace_id.empty()) return;
    Exemplar exemplar{.trace = std::move(trace), .value = value, .at = std::chrono::system_clock::now()};
    const Lock lock(mutex_);
    newest_.insert_or_assign({family, labels, bound}, std::move(exemplar));
}

std::optional<Exemplar> Exemplars::of(const std::string& family, const prometheus::Labels& labels, double bound) const {
    const Lock lock(mutex_);
    const auto found = newest_.find({family, labels, bound});
    return found == newest_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace hotmic::telemetry
