#include "lifecycle/warmup_verdicts.hpp"

#include <algorithm>
#include <cmath>
#include <format>
#include <initializer_list>
#include <optional>
#include <string>

#include "hotmic/error.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "hotmic/warmup.hpp"

namespace hotmic {

std::optional<std::string> malformation(const Transcript& transcript) {
    const auto finite = [](std::initializer_list<double> numbers) {
        return std::ranges::all_of(numbers, [](double number) { return std::isfinite(number); });
    };
    Seconds last_start{};
    for (const auto& segment : transcript.segments) {
        if (!finite({segment.start.count(), segment.end.count(), segment.avg_logprob, segment.no_speech_prob,
                     segment.temperature})) {
            return "a segment carries numbers that are not finite";
        }
        if (segment.end < segment.start || segment.start < last_start) return "segments are not in order of time";
        last_start = segment.start;
        for (const auto& word : segment.words) {
            if (!finite({word.start.count(), word.end.count(), word.probability}))
                return "a word carries numbers that are not finite";
        }
    }
    return std::nullopt;
}

Result<void> check_target(const WarmupReport& report, const WarmupOptions& options) {
    const auto& target = options.ready_if;
    if (target.rtf_p95_below && report.real_time_factor_p95 >= *target.rtf_p95_below) {
        return fail(ErrorCode::too_slow,
                    std::format("warm, but the p95 real-time factor is {:.3f} and ready_if asks for less than {:.3f}",
                                report.real_time_factor_p95, *target.rtf_p95_below),
                    "use a smaller model or more threads, or relax ready_if.rtf_p95_below");
    }
    if (target.latency_p95_below && report.latency_p95 >= *target.latency_p95_below) {
        return fail(ErrorCode::too_slow,
                    std::format("warm, but the p95 latency is {:.0f} ms and ready_if asks for less than {} ms",
                                to_ms(report.latency_p95), target.latency_p95_below->count()),
                    "use a smaller model or more threads, or relax ready_if.latency_p95_below_ms");
    }
    return {};
}

Error explain(Error error, int level) {
    switch (error.code) {
        case ErrorCode::model_lost:
            error.code = ErrorCode::worker_crashed;
            return error;
        case ErrorCode::cancelled:
        case ErrorCode::model_unloaded:
            error.code = ErrorCode::load_cancelled;
            return error;
        default:
            break;
    }
    error.message = std::format("warmup level {} failed: {}", level, error.message);
    if (error.code != ErrorCode::disqualified) error.code = ErrorCode::warmup_failed;
    return error;
}

}  // namespace hotmic
