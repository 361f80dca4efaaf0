/// Latencies of one warmup level, gathered from all slots.
#pragma once

#include <vector>

#include "hotmic/units.hpp"
#include "hotmic/warmup.hpp"
#include "system/mutex.hpp"

namespace hotmic {

/// Any thread may add.
class Measurements {
public:
    /// `cold`: the first of its kind on its slot. Those are in the report, and no part of what is warm.
    void add(Seconds latency, Seconds audio, bool cold);

    [[nodiscard]] int count() const;
    [[nodiscard]] Seconds mean_latency() const;
    void write_to(LevelReport& report) const;

    /// Of what was warm; of all where nothing was.
    [[nodiscard]] Seconds latency_p95() const;
    [[nodiscard]] double factor_p95() const;

private:
    struct Each {
        Seconds latency{};
        double factor = 0;  // latency ÷ length of the audio
        bool cold = false;
    };
    template <class T>
    [[nodiscard]] std::vector<T> warm(T Each::* figure) const HOTMIC_REQUIRES(mutex_);

    mutable Mutex mutex_;
    std::vector<Each> all_ HOTMIC_GUARDED_BY(mutex_);
};

}  // namespace hotmic
