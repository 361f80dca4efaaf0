/// Is an idle model still well? Judges what its canary inferences brought.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "lifecycle/truth.hpp"

namespace hotmic {

/// Two failures in a row make a model unhealthy: one may be the machine's. A failure is an error, an answer that comes
/// late, or other words than the warmup heard (truth.hpp). Knows no clock and runs nothing.
class Canary {
public:
    Canary() = default;
    /// `steady`: warm latency on the clip that the canary infers; 0: unknown, then only failures count.
    /// `truth`: that has judged the warmup's answers to the clip.
    Canary(double latency_factor, Seconds steady, Truth truth = {})
        : latency_factor_(latency_factor), steady_(steady), truth_(std::move(truth)) {}

    /// Takes the outcome of one. Returns why the model is unhealthy, once it is.
    [[nodiscard]] std::optional<Error> judge(const Result<Transcript>& result, Seconds inference);

    /// Of the last one that ended by itself.
    [[nodiscard]] std::optional<Seconds> last() const noexcept { return last_; }
    [[nodiscard]] int failures_in_a_row() const noexcept { return failures_; }
    /// What was the matter with the last one that failed.
    [[nodiscard]] const std::string& found() const noexcept { return found_; }

private:
    double latency_factor_ = 0;
    Seconds steady_{};
    std::optional<Seconds> last_{};
    Truth truth_;
    std::string found_;
    int failures_ = 0;
};

}  // namespace hotmic
