/// Runs the warmup levels on a loaded instance, through the path user requests take: media decoding, queue, slot,
/// engine, formatting.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string_view>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/units.hpp"
#include "hotmic/warmup.hpp"
#include "lifecycle/calibration.hpp"
#include "lifecycle/truth.hpp"

namespace hotmic {

/// How far the warmup is. `remaining` is planned work at the latencies seen so far; unset until one is known.
struct WarmupProgress {
    int level = 0;
    int inferences = 0;
    std::optional<std::chrono::milliseconds> remaining{};
};

/// What a warmup learns beyond its report.
struct WarmupFindings {
    Calibration calibration;  ///< how long inferences take
    Truth truth;              ///< what the clip's words are here
};

/// Runs every level up to `options.level`; `decoder` decodes what is inferred. Blocks; inferences run on the instance's
/// slots.
/// Errors: warmup_failed (naming level and cause), disqualified, worker_crashed, too_slow, load_cancelled (when `stop`
/// was requested).
[[nodiscard]] Result<WarmupReport> run_warmup(const Lease& lease, const WarmupOptions& options, std::stop_token stop,
                                              const std::function<void(const WarmupProgress&)>& on_progress,
                                              const std::function<Bytes()>& resident_now, WarmupFindings& findings,
                                              MediaDecoder& decoder);

/// Word error rate of `heard` against `said`: word edits ÷ words said, after lower-casing and dropping punctuation.
[[nodiscard]] double word_error_rate(std::string_view said, std::string_view heard);

/// The value below which a share `q` (0..1) of `values` lies; 0 for none.
[[nodiscard]] double quantile(std::vector<double> values, double q);
[[nodiscard]] Seconds quantile(const std::vector<Seconds>& values, double q);

}  // namespace hotmic
