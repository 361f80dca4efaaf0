#include "telemetry/open_metrics.hpp"

#include <chrono>
#include <cmath>
#include <format>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/exemplars.hpp"

namespace hotmic::telemetry {
namespace {

constexpr std::string_view kTotal = "_total";

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\n') {
            out += "\\n";
            continue;
        }
        if (c == '\\' || c == '"') out += '\\';
        out += c;
    }
    return out;
}

std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    return std::format("{}", value);
}

/// The same number is always the same text, as in "1.0": it is part of a series' name.
std::string bound_text(double bound) {
    auto text = number(bound);
    if (std::isfinite(bound) && text.find_first_of(".e") == std::string::npos) text += ".0";
    return text;
}

/// "{a="b",le="0.5"}"; empty without any.
std::string labels_text(const std::vector<prometheus::ClientMetric::Label>& labels, const std::string& bound = {}) {
    std::string text;
    for (const auto& [name, value] : labels)
        text += std::format("{}{}=\"{}\"", text.empty() ? "" : ",", name, escaped(value));
    if (!bound.empty()) text += std::format("{}le=\"{}\"", text.empty() ? "" : ",", bound);
    return text.empty() ? text : "{" + text + "}";
}

std::string exemplar_text(const std::optional<Exemplar>& exemplar) {
    if (!exemplar) return {};
    return std::format(" # {{trace_id=\"{}\",span_id=\"{}\"}} {} {:.3f}", exemplar->trace.trace_id,
                       exemplar->trace.span_id, number(exemplar->value),
                       std::chrono::duration<double>(exemplar->at.time_since_epoch()).count());
}

void add_histogram(std::string& text, const std::string& name, const prometheus::ClientMetric& metric,
                   const Exemplars& exemplars) {
    const auto& histogram = metric.histogram;
    prometheus::Labels labels;
    for (const auto& [label, value] : metric.label) labels.emplace(label, value);
    for (const auto& bucket : histogram.bucket) {
        text += std::format("{}_bucket{} {}{}\n", name, labels_text(metric.label, bound_text(bucket.upper_bound)),
                            bucket.cumulative_count, exemplar_text(exemplars.of(name, labels, bucket.upper_bound)));
    }
    text += std::format("{}_count{} {}\n", name, labels_text(metric.label), histogram.sample_count);
    text += std::format("{}_sum{} {}\n", name, labels_text(metric.label), number(histogram.sample_sum));
}

}  // namespace

std::string open_metrics(const std::vector<prometheus::MetricFamily>& families, const Exemplars& exemplars) {
    using prometheus::MetricType;
    std::string text;
    for (const auto& family : families) {
        std::string_view name = family.name;
        std::string_view type = "gauge";
        if (family.type == MetricType::Counter) {
            type = "counter";
            if (name.ends_with(kTotal)) name.remove_suffix(kTotal.size());
        } else if (family.type == MetricType::Histogram) {
            type = "histogram";
        } else if (family.type != MetricType::Gauge) {
            continue;
        }
        text += std::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, escaped(family.help));
        for (const auto& metric : family.metric) {
            if (family.type == MetricType::Histogram) {
                add_histogram(text, family.name, metric, exemplars);
                continue;
            }
            const bool counts = family.type == MetricType::Counter;
            text += std::format("{}{}{} {}\n", name, counts ? kTotal : "", labels_text(metric.label),
                                number(counts ? metric.counter.value : metric.gauge.value));
        }
    }
    return text + "# EOF\n";
}

}  // namespace hotmic::telemetry
