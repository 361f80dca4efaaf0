#include "lifecycle/report_json.hpp"

#include "hotmic/health.hpp"
#include "hotmic/units.hpp"
#include "hotmic/warmup.hpp"

namespace hotmic::wire {
namespace {

LevelReport described(const hotmic::LevelReport& report) {
    return {.level = report.level,
            .name = report.name,
            .inferences = report.inferences,
            .first_ms = to_ms(report.first),
            .p50_ms = to_ms(report.p50),
            .p95_ms = to_ms(report.p95),
            .last_ms = to_ms(report.last),
            .real_time_factor = report.real_time_factor,
            .duration_ms = to_ms(report.duration),
            .converged = report.converged,
            .skipped = report.skipped};
}

StreamReport described(const hotmic::StreamReport& report) {
    return {.step_seconds = to_s(report.step),
            .steps = report.steps,
            .first_ms = to_ms(report.first),
            .steady_ms = to_ms(report.steady),
            .p95_ms = to_ms(report.p95),
            .shortfall = report.shortfall};
}

}  // namespace

WarmupReport described(const hotmic::WarmupReport& report) {
    WarmupReport told{.level = report.level,
                      .complete = report.complete,
                      .duration_ms = to_ms(report.duration),
                      .cold_penalty = report.cold_penalty,
                      .steady_ms = to_ms(report.steady),
                      .clip_seconds = to_s(report.clip_length),
                      .real_time_factor_p95 = report.real_time_factor_p95,
                      .latency_p95_ms = to_ms(report.latency_p95),
                      .transcript = report.transcript,
                      .word_error_rate = report.word_error_rate,
                      .resident_before_bytes = report.resident_before.count(),
                      .resident_after_bytes = report.resident_after.count(),
                      .budget_note = report.budget_note,
                      .shortfall = report.shortfall,
                      .slower = report.slower};
    for (const auto& level : report.levels) told.levels.push_back(described(level));
    if (report.streams) told.streams = described(*report.streams);
    return told;
}

UnloadReport described(const hotmic::UnloadReport& report) {
    return {.resident_before_bytes = report.resident_before.count(),
            .resident_after_bytes = report.resident_after.count(),
            .process_gone = report.process_gone,
            .cancelled_requests = report.cancelled_requests,
            .duration_ms = to_ms(report.duration)};
}

}  // namespace hotmic::wire
