/// Is an idle model still well? Judges what its canary inferences brought.
#pragma once

#include <optional>

#include "hotmic/model_manager.hpp"

namespace hotmic {

/// Two failures in a row make a model unhealthy: one may be the machine's. Knows no clock and runs nothing.
class Canary {
public:
    Canary() = default;
    /// `steady_ms`: warm latency on the clip that the canary infers; 0: unknown, then only failures count.
    Canary(double latency_factor, double steady_ms) : latency_factor_(latency_factor), steady_ms_(steady_ms) {}

    /// Takes the outcome of one. Returns why the model is unhealthy, once it is.
    [[nodiscard]] std::optional<Error> judge(const Result<Transcript>& result, double inference_ms);

    /// Of the last one that ended by itself.
    [[nodiscard]] std::optional<double> last_ms() const noexcept { return last_ms_; }
    [[nodiscard]] int failures_in_a_row() const noexcept { return failures_; }

private:
    double latency_factor_ = 0;
    double steady_ms_ = 0;
    std::optional<double> last_ms_{};
    int failures_ = 0;
};

}  // namespace hotmic
