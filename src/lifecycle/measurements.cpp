#include "lifecycle/measurements.hpp"

#include <algorithm>
#include <vector>

#include "hotmic/units.hpp"
#include "hotmic/warmup.hpp"
#include "lifecycle/warmup_runner.hpp"
#include "system/mutex.hpp"

namespace hotmic {

void Measurements::add(Seconds latency, Seconds audio, bool cold) {
    const Lock lock(mutex_);
    all_.push_back({latency, latency / audio, cold});
}

int Measurements::count() const {
    const Lock lock(mutex_);
    return static_cast<int>(all_.size());
}

Seconds Measurements::mean_latency() const {
    const Lock lock(mutex_);
    Seconds sum{};
    for (const auto& each : all_) sum += each.latency;
    return all_.empty() ? sum : sum / static_cast<double>(all_.size());
}

void Measurements::write_to(LevelReport& report) const {
    const Lock lock(mutex_);
    report.inferences = static_cast<int>(all_.size());
    if (all_.empty()) return;
    std::vector<Seconds> latencies;
    std::vector<double> factors;
    for (const auto& each : all_) {
        latencies.push_back(each.latency);
        factors.push_back(each.factor);
    }
    report.first = latencies.front();
    report.last = latencies.back();
    report.p50 = quantile(latencies, 0.5);
    report.p95 = quantile(latencies, 0.95);
    report.real_time_factor = quantile(factors, 0.5);
}

Seconds Measurements::latency_p95() const {
    const Lock lock(mutex_);
    return quantile(warm(&Each::latency), 0.95);
}

double Measurements::factor_p95() const {
    const Lock lock(mutex_);
    return quantile(warm(&Each::factor), 0.95);
}

template <class T>
std::vector<T> Measurements::warm(T Each::* figure) const {
    const bool only_warm = std::ranges::any_of(all_, [](const Each& each) { return !each.cold; });
    std::vector<T> values;
    for (const auto& each : all_) {
        if (!only_warm || !each.cold) values.push_back(each.*figure);
    }
    return values;
}

}  // namespace hotmic
