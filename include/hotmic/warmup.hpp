/// Phase 2: making a loaded model fast before anyone is told it is ready, and the record of how that went.
///
/// Levels, each on top of the one before:
/// - 0, off: LOADING goes straight to READY, and health says `warmup_complete: false`
/// - 1, validate: one short inference on the clip; numbers finite, output well formed, text close to the known one
/// - 2, single: full-length speech, once at least and for `level2.min_duration`, and every path that allocates at first
/// - 3, stress: all slots at once over a mix of lengths, until latency has converged or the budget ends
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "hotmic/units.hpp"

namespace hotmic {

/// How strictly level 1 looks at the text.
enum class Validate : std::uint8_t {
    off,          ///< any answer will do
    runs,         ///< an answer that is well formed, with finite numbers
    transcribes,  ///< and, where the model's language covers the clip, close enough to the known text
};

/// A target that must be met before READY (`ready_if`).
struct ReadyIf {
    std::optional<double> rtf_p95_below{};  ///< real-time factor (inference time ÷ audio time) of the last level, p95
    std::optional<std::chrono::milliseconds> latency_p95_below{};  ///< for the clip
    bool or_degraded = false;  ///< missed: READY all the same, with the figures told, instead of ERROR `too_slow`
    /// Whether there is any target.
    [[nodiscard]] bool any() const noexcept { return rtf_p95_below || latency_p95_below; }
    friend bool operator==(const ReadyIf&, const ReadyIf&) = default;
};

/// How a model is warmed before it is READY.
struct WarmupOptions {
    int level = 2;                              ///< the highest that is run: 1, 2 or 3
    Validate validate = Validate::transcribes;  ///< what level 1 asks of the clip's text
    double max_word_error_rate = 0.5;           ///< of level 1's transcript against the clip's text
    std::filesystem::path clip{};               ///< a recording of speech, at most a minute; empty: the built-in one
    std::string clip_text{};                    ///< what is said in `clip`; empty: level 1 cannot compare
    std::chrono::milliseconds level2_min_duration{0};  ///< level 2 goes on at least so long
    int level3_iterations = 3;                         ///< rounds, at least
    std::chrono::milliseconds level3_min_duration{0};  ///< level 3 goes on at least so long
    std::chrono::milliseconds budget{
        120'000};  ///< all levels together; level 1 and one inference of level 2 always run
    std::chrono::milliseconds timeout{300'000};  ///< past this the warmup has failed (`warmup_timeout`)
    ReadyIf ready_if{};                          ///< targets, beyond being warm
    friend bool operator==(const WarmupOptions&, const WarmupOptions&) = default;
};

/// What one level did. Latencies are wall time from submitting the request to having the formatted answer.
struct LevelReport {
    int level = 0;                       ///< 1, 2 or 3
    std::string name;                    ///< "validate", "single", "stress"
    int inferences = 0;                  ///< that it ran
    Seconds first{};                     ///< latency of the first
    Seconds p50{};                       ///< median latency
    Seconds p95{};                       ///< 95th percentile
    Seconds last{};                      ///< latency of the last
    double real_time_factor = 0;         ///< median of latency ÷ audio length
    Seconds duration{};                  ///< of the level
    std::optional<bool> converged{};     ///< levels 2 and 3: its last figures agree with each other
    std::vector<std::string> skipped{};  ///< shapes or paths left out, each with its reason
};

/// How steps of streams went: the built-in clip fed as a microphone would, to models whose streams are exact.
struct StreamReport {
    Seconds step{};    ///< of audio
    int steps = 0;     ///< that were taken
    Seconds first{};   ///< the very first step
    Seconds steady{};  ///< median of a stream that is alone
    Seconds p95{};     ///< the same, 95th percentile; with level 3, of as many streams at once as there are slots
    std::string shortfall{};  ///< why streams fall behind the speaker; empty where they do not
};

/// What the warmup measured.
struct WarmupReport {
    int level = 0;                      ///< the highest level that was asked for
    bool complete = false;              ///< every level asked for ended well
    std::vector<LevelReport> levels{};  ///< those that were run
    Seconds duration{};                 ///< of all of them
    double cold_penalty =
        0;             ///< first ÷ steady latency of the same request: what warmup spared the first user; 0: unknown
    Seconds steady{};  ///< steady-state latency of the reference request (the clip as it is)
    Seconds clip_length{};                    ///< of the audio in that request
    double real_time_factor_p95 = 0;          ///< over what was warm of the last level that ran
    Seconds latency_p95{};                    ///< likewise
    std::string transcript{};                 ///< what level 1 heard in the clip
    std::optional<double> word_error_rate{};  ///< against the clip's text, where the language covers it
    Bytes resident_before{};                  ///< loaded, not yet warm
    Bytes resident_after{};                   ///< loaded and warm
    std::optional<StreamReport> streams{};    ///< where the model takes streams step by step
    std::string budget_note{};                ///< set when the budget ended a level early
    std::string shortfall{};  ///< the target of `ready_if` that was missed, with its figures, where that is tolerated
    std::string slower{};  ///< "2.3 × slower than usual here: …", compared with earlier warmups; empty when it is not
};

/// Has a series of equal requests' latencies settled?
///
/// The last `2·window` values are split in two halves; the series has converged when the medians of the halves differ
/// by at most `tolerance` (relative to the later one) and the later half's median absolute deviation is at most
/// `2·tolerance` of its median. Medians, because one scheduler hiccup must not hide that the engine is steady; two
/// halves, because a slow drift is not steady; the deviation, because an erratic engine is not either. Fewer values
/// than `2·window`: not converged.
[[nodiscard]] bool has_converged(const std::vector<Seconds>& latencies, std::size_t window = 3,
                                 double tolerance = 0.10);

/// Is there nothing left to warm? The first of a series of equal requests is as fast as the median of at least two
/// others, or at most `tolerance` slower; or the last three are within `tolerance` of each other; or the series has
/// converged. What is warm needs no more warming, whether or not the machine is quiet.
[[nodiscard]] bool has_settled(const std::vector<Seconds>& latencies, double tolerance = 0.10);

}  // namespace hotmic
