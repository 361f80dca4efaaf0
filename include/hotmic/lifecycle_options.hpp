/// How a model is loaded, warmed, kept ready and let go.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "hotmic/media_bytes.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/warmup.hpp"

namespace hotmic {

/// Trying again after a failure that may pass.
struct RetryPolicy {
    int max_attempts = 3;  ///< attempts in a row, the first included; 1 never retries
    /// Before the second attempt; twice as long before each further one.
    std::chrono::milliseconds initial_backoff{1000};
    std::chrono::milliseconds max_backoff{60'000};  ///< at most
    double jitter = 0.2;  ///< each backoff is scaled by a random factor in [1 - jitter, 1 + jitter]
};

/// Keeping a ready model ready.
struct SuperviseOptions {
    /// A worker whose event loop answers nothing for this long is hung, and treated as dead; 0: never asked.
    std::chrono::milliseconds heartbeat_timeout{10'000};
    /// This many deaths within the window stop the recovery: the model is in ERROR with `crash_loop`, and is tried once
    /// more after a pause as long as the window, then after ever longer ones, when its file changes, or when an
    /// operator asks for it.
    int crash_loop_deaths = 5;
    /// Of `crash_loop_deaths`.
    std::chrono::milliseconds crash_loop_window{600'000};
    /// An inference that runs longer than this many times what the warmup measured for as much audio, and longer than
    /// `hang_least`, hangs: it is ended, and the model is loaded again. 0: only `request_timeout` ends one.
    double hang_factor = 10;
    std::chrono::milliseconds hang_least{5'000};  ///< of `hang_factor`
    /// A request under which the model died twice is refused for this long when it comes again.
    std::chrono::milliseconds poison_refusal{600'000};
    /// An idle model proves itself by an inference this often; 0: only after the engine has failed a request.
    std::chrono::milliseconds canary_interval{0};
    /// A canary slower than this many times the warm latency is a failed one.
    double canary_latency_factor = 5;
    /// In ERROR for a permanent reason, the model file is looked at this often: a changed one is tried.
    std::chrono::milliseconds file_check_interval{2'000};
};

/// How a model is loaded, warmed, kept ready and let go.
struct LifecycleOptions {
    std::chrono::milliseconds load_timeout{300'000};  ///< longest load, in all
    std::chrono::milliseconds stall_timeout{30'000};  ///< longest silence of a load
    /// For requests under way, before they are cancelled.
    std::chrono::milliseconds drain_timeout{30'000};
    /// How long cancelled work may take to stop before the engine is terminated.
    std::chrono::milliseconds cancel_grace{2'000};
    std::size_t max_waiting = 64;                        ///< requests waiting for a slot
    std::chrono::milliseconds queue_timeout{30'000};     ///< longest wait for a slot
    std::chrono::milliseconds request_timeout{600'000};  ///< longest inference of one request, apart from its audio
    double request_timeout_factor = 4;                   ///< added to that: as many times the length of its audio
    /// For requests that say nothing of their language: what is spoken. Empty: it is detected.
    std::string language{};
    /// For requests that say nothing of their languages: those that detection chooses among. Empty: all of the model's.
    std::vector<std::string> languages{};
    /// For requests that name none: phrases that are likely here.
    std::vector<Hotword> hotwords{};
    /// For requests that do not say how wide their beam is. 0: greedy.
    int beam_size = 0;
    /// `when_ready` loads the model when nobody has asked for it before.
    bool load_on_demand = false;
    /// A model without a request for this long is unloaded; the next request loads it again. 0: never.
    std::chrono::milliseconds idle_unload{0};
    WarmupOptions warmup{};  ///< before READY
    /// Decodes the clips of warmups and canaries, as it does what users send.
    std::shared_ptr<MediaDecoder> decoder = decoder_here();
    /// Where steady latencies are kept, for comparing warmups with earlier ones on this machine; empty: nowhere.
    std::filesystem::path baseline_folder{};
    RetryPolicy retry{};           ///< after failures that may pass
    SuperviseOptions supervise{};  ///< while READY
};

}  // namespace hotmic
