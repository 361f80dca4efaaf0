/// JSON of what a warmup and an unload report, for `hotmic warmup --json` and the status of a model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hotmic/health.hpp"
#include "hotmic/warmup.hpp"

namespace hotmic::wire {

struct LevelReport {
    int level = 0;
    std::string name;
    int inferences = 0;
    double first_ms = 0;
    double p50_ms = 0;
    double p95_ms = 0;
    double last_ms = 0;
    double real_time_factor = 0;
    double duration_ms = 0;
    std::optional<bool> converged{};
    std::vector<std::string> skipped{};
};

struct StreamReport {
    double step_seconds = 0;
    int steps = 0;
    double first_ms = 0;
    double steady_ms = 0;
    double p95_ms = 0;
    std::string shortfall{};
};

struct WarmupReport {
    int level = 0;
    bool complete = false;
    std::vector<LevelReport> levels{};
    double duration_ms = 0;
    double cold_penalty = 0;
    double steady_ms = 0;
    double clip_seconds = 0;
    double real_time_factor_p95 = 0;
    double latency_p95_ms = 0;
    std::string transcript{};
    std::optional<double> word_error_rate{};
    std::uint64_t resident_before_bytes = 0;
    std::uint64_t resident_after_bytes = 0;
    std::optional<StreamReport> streams{};
    std::string budget_note{};
    std::string shortfall{};
    std::string slower{};
};

struct UnloadReport {
    std::uint64_t resident_before_bytes = 0;
    std::uint64_t resident_after_bytes = 0;
    bool process_gone = false;
    int cancelled_requests = 0;
    double duration_ms = 0;
};

[[nodiscard]] WarmupReport described(const hotmic::WarmupReport& report);
[[nodiscard]] UnloadReport described(const hotmic::UnloadReport& report);

}  // namespace hotmic::wire
