/// Which trace a bucket of a histogram was last raised by.
/// https://prometheus.io/docs/specs/om/open_metrics_spec/#exemplars
#pragma once

#include <prometheus/labels.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "system/mutex.hpp"

namespace hotmic::telemetry {

/// A span that somebody can look up; empty where nothing was recorded.
struct TraceReference {
    std::string trace_id{};  ///< 32 hexadecimal digits
    std::string span_id{};   ///< 16
};

struct Exemplar {
    TraceReference trace;
    double value = 0;
    std::chrono::system_clock::time_point at{};
};

/// The newest of each bucket. Thread-safe.
class Exemplars {
public:
    /// `bound`: the upper one of the bucket that `value` fell into. Nothing is kept of an empty reference.
    void keep(const std::string& family, const prometheus::Labels& labels, double bound, double value,
              TraceReference trace);
    [[nodiscard]] std::optional<Exemplar> of(const std::string& family, const prometheus::Labels& labels,
                                             double bound) const;

private:
    using Bucket = std::tuple<std::string, prometheus::Labels, double>;
    mutable Mutex mutex_;
    std::map<Bucket, Exemplar> newest_ HOTMIC_GUARDED_BY(mutex_);  // as many as there are buckets
};

}  // namespace hotmic::telemetry
