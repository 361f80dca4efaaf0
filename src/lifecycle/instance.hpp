/// One load of one model: its weights, its slots, who leases it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/health.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/lifecycle_options.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/state.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "lifecycle/calibration.hpp"
#include "lifecycle/slot_pool.hpp"
#include "system/mutex.hpp"

namespace hotmic {

/// Shared by the manager, leases and requests in flight. The model itself lives until `close`, which only the manager
/// calls; what is left afterwards answers every request with the error it was closed with.
class ModelInstance : public std::enable_shared_from_this<ModelInstance> {
public:
    /// Takes a loaded model. `open` before anything but `terminate`.
    ModelInstance(std::string id, std::unique_ptr<Model> model);

    /// Opens the slots; `beat` is called after each. Errors: those of SlotPool::open.
    [[nodiscard]] Result<void> open(const SlotPool::Limits& limits, const std::function<void()>& beat);

    /// Requests count as users' from here on. `steady_factor`: inference seconds per second of audio when warm; 0:
    /// unknown. `calibration`: how long inferences take; empty: unknown.
    void begin_serving(double steady_factor, Calibration calibration);
    /// What users' requests get that say nothing of their language, hot words and beam; see LifecycleOptions. Set
    /// before the first.
    void speak(const LifecycleOptions& options) {
        language_ = options.language;
        languages_ = options.languages;
        hotwords_ = options.hotwords;
        beam_size_ = options.beam_size;
    }
    /// Is called whenever the engine fails a user's request (inference_failed), on a slot's thread. Set before the
    /// first.
    void on_failure(std::function<void()> told) { on_failure_ = std::move(told); }

    /// What users got since `begin_serving`.
    struct Served {
        std::uint64_t requests = 0;
        Seconds mean_inference{};
        std::optional<double> first_request_ratio{};
    };
    [[nodiscard]] Served served() const;

    [[nodiscard]] const std::string& id() const noexcept { return id_; }
    [[nodiscard]] const ModelInfo& info() const noexcept { return info_; }

    /// See Lease::submit. Called through a lease.
    void submit(Request request, Completion done);

    [[nodiscard]] QueueStatus queue() const;
    /// See SlotPool::casualties.
    [[nodiscard]] std::vector<std::uint64_t> casualties();
    /// Since when no user has held a lease or had a request; nothing while one does.
    [[nodiscard]] std::optional<Clock::time_point> idle_since() const;
    /// See Model::isolated.
    [[nodiscard]] bool isolated() const noexcept { return isolated_; }
    /// Bytes the model accounts for now; 0 when closed or when the engine cannot tell.
    [[nodiscard]] Bytes resident() const;
    /// See Model::stop_yielding.
    void stop_yielding() noexcept;
    /// Ends the engine at once where that is possible.
    void terminate() noexcept;

    /// What closing had to do.
    struct Closing {
        int cancelled = 0;
        bool terminated = false;
    };
    /// Waits until `drained_by` for leases to end, cancels what is left with `why`, waits up to `grace` for that,
    /// terminates the engine, and destroys slots and model. Returns when they are gone. Call once, without holding a
    /// lease.
    Closing close(Deadline drained_by, std::chrono::milliseconds grace, Error why);
    /// Whoever closes it, now or later, waits no longer than this.
    void hurry(Deadline drained_by);

private:
    friend class Lease;
    void retain(bool background = false);
    void release(bool background = false);
    void count(const RequestTimings& timings);
    void speak_of(TranscribeOptions& options) const;

    const std::string id_;
    const ModelInfo info_;
    const bool isolated_;
    // Set before the first request.
    std::function<void()> on_failure_;
    std::string language_;
    std::vector<std::string> languages_;
    std::vector<Hotword> hotwords_;
    int beam_size_ = 0;
    std::unique_ptr<SlotPool> pool_;  // a closed one stays and refuses

    mutable Mutex mutex_;
    Condition unleased_;
    int leases_ HOTMIC_GUARDED_BY(mutex_) = 0;
    Deadline drained_by_ HOTMIC_GUARDED_BY(mutex_) = Deadline::max();
    int background_ HOTMIC_GUARDED_BY(mutex_) = 0;  // of those, requests that are no use of the model
    Clock::time_point last_used_ HOTMIC_GUARDED_BY(mutex_) = Clock::now();
    bool serving_ HOTMIC_GUARDED_BY(mutex_) = false;
    double steady_factor_ HOTMIC_GUARDED_BY(mutex_) = 0;
    Served served_ HOTMIC_GUARDED_BY(mutex_);
    std::unique_ptr<Model> model_ HOTMIC_GUARDED_BY(mutex_);
};

}  // namespace hotmic
