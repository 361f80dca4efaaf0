#include "lifecycle/attempt.hpp"

#include <algorithm>
#include <chrono>
#include <format>
#include <optional>

#include "hotmic/error.hpp"
#include "hotmic/lifecycle_options.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"

namespace hotmic {

using std::chrono::milliseconds;

std::optional<Error> limit_passed(Attempt& attempt, ModelState phase, const LifecycleOptions& options,
                                  Clock::time_point now) {
    const auto [done, total, beats, downloading, rate] = attempt.progress.snapshot();
    if (beats != attempt.beats) {
        attempt.beats = beats;
        attempt.beat_at = now;
    }
    if (attempt.waiting) return std::nullopt;
    if (phase == ModelState::loading) {
        const auto so_far =
            std::format("{} of {} MB had been {}", to_mb(done), to_mb(total), downloading ? "downloaded" : "read");
        if (downloading) attempt.began = now;  // a download has a limit of its own
        if (now >= attempt.began + options.load_timeout) {
            return Error{ErrorCode::load_timeout,
                         std::format("loading {} took longer than {} ms ({})", attempt.model,
                                     options.load_timeout.count(), so_far),
                         "use faster storage, or raise load_timeout_ms"};
        }
        if (now >= attempt.beat_at + options.stall_timeout) {
            return Error{ErrorCode::load_stalled,
                         std::format("loading {} made no progress for {} ms ({})", attempt.model,
                                     options.stall_timeout.count(), so_far),
                         "check the disk or network share the model is on, or raise stall_timeout_ms"};
        }
    }
    if (phase == ModelState::warming_up && now >= *attempt.warmup_began + options.warmup.timeout) {
        return Error{ErrorCode::warmup_timeout,
                     std::format("warming up {} took longer than {} ms (level {}, {} inferences done)", attempt.model,
                                 options.warmup.timeout.count(), attempt.warmup.level, attempt.warmup.inferences),
                     "use a smaller model, a lower warmup level, or raise warmup.timeout_ms"};
    }
    return std::nullopt;
}

Clock::time_point next_look(const Attempt& attempt, ModelState phase, const LifecycleOptions& options,
                            Clock::time_point now) {
    if (phase == ModelState::warming_up) return *attempt.warmup_began + options.warmup.timeout;
    if (phase != ModelState::loading || attempt.waiting) return Clock::time_point::max();
    return std::min({attempt.began + options.load_timeout, attempt.beat_at + options.stall_timeout,
                     // Signs of life are noticed at this grain, so a stall is found at most this much late.
                     now + std::max(options.stall_timeout / 8, milliseconds(1))});
}

}  // namespace hotmic
