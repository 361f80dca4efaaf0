/// One request in a SlotPool, from being submitted to being answered.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <stop_token>

#include "asr/long_audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"
#include "lifecycle/slot_pool.hpp"

namespace hotmic {

struct SlotPool::Job {
    Request request;
    Completion done;
    Clock::time_point submitted{};
    Clock::time_point waits_since{};
    Clock::time_point wanted_by{};
    Clock::time_point started{};  // on the slot it has now; none yet: it has never had one
    RequestTimings timings{};     // of the slots it had before
    std::optional<Seconds> audio_total{};
    std::atomic<Seconds> audio_done{};
    Seconds audio_begun{};  // was given to the engine, again and again; guarded by the pool's mutex
    bool suspect = false;   // a model has died under it
    bool casualty = false;  // the engine died, or hung, while it worked on it; guarded by the pool's mutex
    std::optional<LongTranscription> work{};
    std::stop_source stop{};            // what the recognizer looks at
    std::optional<Error> stopped_as{};  // why, when it was not the caller; guarded by the pool's mutex
    std::optional<std::stop_callback<std::function<void()>>> caller_stopped{};
};

}  // namespace hotmic
