/// OpenMetrics' text format, which can say exemplars; prometheus-cpp writes only the format before it.
/// https://prometheus.io/docs/specs/om/open_metrics_spec/
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

#include "telemetry/exemplars.hpp"

namespace hotmic::telemetry {

/// Counters' names have to end in "_total". Families that are neither counters, gauges nor histograms are left out.
[[nodiscard]] std::string open_metrics(const std::vector<prometheus::MetricFamily>& families,
                                       const Exemplars& exemplars);

}  // namespace hotmic::telemetry
