/// Using a ready model: requests, and the right to make them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/state.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"

namespace hotmic {

/// One request to a ready model.
struct Request {
    std::unique_ptr<AudioSource> audio;      ///< to be recognized
    std::unique_ptr<WindowCutter> cutter{};  ///< null: about once a minute, in a pause
    TranscribeOptions options{};             ///< how
    SegmentSink on_segment{};                ///< on the slot's thread
    std::stop_token stop{};                  ///< cancels it
    std::string id{};                        ///< appears in log lines
    /// What it is about: the same for a request that is the same again. A model's deaths are remembered by it
    /// (SuperviseOptions::poison_refusal). 0: unknown.
    std::uint64_t fingerprint = 0;
    std::optional<int> slot{};  ///< only this slot may take it (warmup covers every slot with it)
    bool background = false;    ///< makes way for any other request, and counts as no use of the model
    /// When its answer is wanted: of those that wait for a slot, the earliest goes first. By default `kPatience` after
    /// it was submitted, and after each window of a long recording again, so that neither files nor streams starve.
    std::optional<Clock::time_point> wanted_by{};

    /// Of a request that is in no hurry.
    static constexpr std::chrono::milliseconds kPatience{3'000};
    /// `wanted_by` of work that nobody waits for: all others go first, between its windows, too.
    static constexpr Clock::time_point kWhenever = Clock::time_point::max();
    /// A request that an engine was working on at so many deaths of its model is not tried again.
    static constexpr int kMostDeaths = 2;
};

/// How one request went, for logs and metrics.
struct RequestTimings {
    std::chrono::nanoseconds queued{};     ///< waiting for a slot
    std::chrono::nanoseconds inference{};  ///< in the engine
    Seconds audio{};                       ///< recognized
    int slot = -1;                         ///< that did it
    bool died_under_it = false;            ///< model_lost, and an engine was working on it, or hung over it
};

/// Gets the transcript or the error, and where the time went. Called once, on a slot's thread; must not block.
using Completion = std::function<void(Result<Transcript>, const RequestTimings&)>;

class ModelInstance;

/// The right to use a ready instance. Cheap to move; gives the right back when destroyed. A lease outlives an unload
/// that ran out of patience: its requests then end with `model_unloaded` or `model_lost`.
class Lease {
public:
    Lease() = default;
    /// Made by the instance's manager.
    explicit Lease(std::shared_ptr<ModelInstance> instance);
    /// The other one is empty afterwards.
    Lease(Lease&&) noexcept = default;
    /// Gives back what this one held.
    Lease& operator=(Lease&& other) noexcept;
    ~Lease();

    /// Whether it holds an instance.
    [[nodiscard]] explicit operator bool() const noexcept { return instance_ != nullptr; }

    /// Queues the request for a slot; `done` is called exactly once, on a slot's thread or (when it never got one) on
    /// any thread, possibly before this returns. It must not block. The instance stays leased until then, whatever
    /// becomes of this object. Errors given to `done`: queue_full, queue_timeout, request_timeout, cancelled,
    /// model_lost, model_unloaded, poison_request, invalid_request (options that are too large), and those of
    /// Recognizer::transcribe and AudioSource::read.
    void submit(Request request, Completion done) const;

    /// The same, waiting for the answer.
    [[nodiscard]] Result<Transcript> transcribe(Request request, RequestTimings* timings = nullptr) const;

    /// Of the instance it holds.
    [[nodiscard]] const std::string& instance_id() const noexcept;
    /// As it was loaded.
    [[nodiscard]] const ModelInfo& model() const noexcept;

private:
    std::shared_ptr<ModelInstance> instance_;
};

}  // namespace hotmic
