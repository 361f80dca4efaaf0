/// Runs jobs as requests are run, behind all those that somebody waits for.
#pragma once

#include "jobs/runner.hpp"
#include "server/context.hpp"
#include "telemetry/metrics.hpp"

namespace hotmic::server {

/// `context` must outlive what is made.
[[nodiscard]] jobs::Runner::Recognize run_job_with(Context& context);

/// Of a server that keeps none they are all 0.
[[nodiscard]] telemetry::Metrics::JobGauges job_gauges_of(const Context& context);

}  // namespace hotmic::server
