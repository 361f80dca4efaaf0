#include "lifecycle/measurements.hpp"

#include <algorithm>
#include <vector>

#include "hotmic/warmup.hpp"
#include "lifecycle/warmup_runner.hpp"
#include "system/mutex.hpp"

namespace hotmic {

void Measurements::add(double latency_ms, double audio_seconds, bool cold) {
    const Lock lock(mutex_);
    all_.push_back({latency_ms, latency_ms / 1000 / audio_seconds, cold});
}

int Measurements::count() const {
    const Lock lock(mutex_);
    return static_cast<int>(all_.size());
}

double Measurements::mean_latency() const {
    const Lock lock(mutex_);
    double sum = 0;
    for (const auto& each : all_) sum += each.latency_ms;
    return all_.empty() ? 0 : sum / static_cast<double>(all_.size());
}

void Measurements::write_to(LevelReport& report) const {
    const Lock lock(mutex_);
    report.inferences = static_cast<int>(all_.size());
    if (all_.empty()) return;
    std::vector<double> latencies;
    std::vector<double> factors;
    for (const auto& each : all_) {
        latencies.push_back(each.latency_ms);
        factors.push_back(each.factor);
    }
    report.first_ms = latencies.front();
    report.last_ms = latencies.back();
    report.p50_ms = quantile(latencies, 0.5);
    report.p95_ms = quantile(latencies, 0.95);
    report.real_time_factor = quantile(factors, 0.5);
}

double Measurements::latency_p95() const {
    const Lock lock(mutex_);
    return quantile(warm(&Each::latency_ms), 0.95);
}

double Measurements::factor_p95() const {
    const Lock lock(mutex_);
    return quantile(warm(&Each::factor), 0.95);
}

std::vector<double> Measurements::warm(double Each::* figure) const {
    const bool only_warm = std::ranges::any_of(all_, [](const Each& each) { return !each.cold; });
    std::vector<double> values;
    for (const auto& each : all_) {
        if (!only_warm || !each.cold) values.push_back(each.*figure);
    }
    return values;
}

}  // namespace hotmic
