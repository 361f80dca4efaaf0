#include "telemetry/open_metrics.hpp"

#include <gmock/gmock.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <limits>

namespace hotmic::telemetry {
namespace {

using testing::HasSubstr;
using testing::Not;

const TraceReference kTrace{.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736", .span_id = "00f067aa0ba902b7"};

TEST(OpenMetrics, CountersAreNamedWithoutTheirEnding) {
    prometheus::Registry registry;
    prometheus::BuildCounter()
        .Name("errors_total")
        .Help("By\ncode")
        .Register(registry)
        .Add({{"code", "a\"b\\c\nd"}})
        .Increment(2);
    EXPECT_EQ(open_metrics(registry.Collect(), {}),
              "# HELP errors By\\ncode\n# TYPE errors counter\nerrors_total{code=\"a\\\"b\\\\c\\nd\"} 2\n# EOF\n");
}

TEST(OpenMetrics, NumbersThatAreNoneAreWritten) {
    prometheus::Registry registry;
    auto& family = prometheus::BuildGauge().Name("odd").Help("").Register(registry);
    family.Add({{"is", "infinite"}}).Set(-std::numeric_limits<double>::infinity());
    family.Add({{"is", "none"}}).Set(std::numeric_limits<double>::quiet_NaN());
    const auto text = open_metrics(registry.Collect(), {});
    EXPECT_THAT(text, HasSubstr("odd{is=\"infinite\"} -Inf\n"));
    EXPECT_THAT(text, HasSubstr("odd{is=\"none\"} NaN\n"));
}

TEST(OpenMetrics, ABucketHasTheTraceThatLastFellIntoIt) {
    prometheus::Registry registry;
    const prometheus::Labels labels{{"model", "a"}};
    prometheus::BuildHistogram()
        .Name("wait_seconds")
        .Help("")
        .Register(registry)
        .Add(labels, prometheus::Histogram::BucketBoundaries{0.5, 1})
        .Observe(7);
    Exemplars exemplars;
    const double beyond = std::numeric_limits<double>::infinity();
    exemplars.keep("wait_seconds", labels, beyond, 6, {.trace_id = "older", .span_id = "one"});
    exemplars.keep("wait_seconds", labels, beyond, 7, kTrace);
    exemplars.keep("wait_seconds", labels, beyond, 8, {});
    exemplars.keep("wait_seconds", {{"model", "b"}}, 0.5, 0.1, kTrace);
    const auto text = open_metrics(registry.Collect(), exemplars);
    EXPECT_THAT(text, HasSubstr("wait_seconds_bucket{model=\"a\",le=\"0.5\"} 0\n"));
    EXPECT_THAT(text, HasSubstr("wait_seconds_bucket{model=\"a\",le=\"1.0\"} 0\n"));
    EXPECT_THAT(text, HasSubstr("wait_seconds_bucket{model=\"a\",le=\"+Inf\"} 1 # {trace_id=\"" + kTrace.trace_id +
                                "\",span_id=\"" + kTrace.span_id + "\"} 7 "));
    EXPECT_THAT(text, Not(HasSubstr("older")));
}

}  // namespace
}  // namespace hotmic::telemetry
