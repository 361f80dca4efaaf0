/// Latencies of one warmup level, gathered from all slots.
#pragma once

#include <vector>

#include "hotmic/warmup.hpp"
#include "system/mutex.hpp"

namespace hotmic {

/// Any thread may add.
class Measurements {
public:
    /// `cold`: the first of its kind on its slot. Those are in the report, and no part of what is warm.
    void add(double latency_ms, double audio_seconds, bool cold);

    [[nodiscard]] int count() const;
    [[nodiscard]] double mean_latency() const;
    void write_to(LevelReport& report) const;

    /// Of what was warm; of all where nothing was.
    [[nodiscard]] double latency_p95() const;
    [[nodiscard]] double factor_p95() const;

private:
    struct Each {
        double latency_ms = 0;
        double factor = 0;  // latency ÷ length of the audio
        bool cold = false;
    };
    [[nodiscard]] std::vector<double> warm(double Each::* figure) const HOTMIC_REQUIRES(mutex_);

    mutable Mutex mutex_;
    std::vector<Each> all_ HOTMIC_GUARDED_BY(mutex_);
};

}  // namespace hotmic
