/// The server's side of the process that decoders are forked from.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "hotmic/error.hpp"
#include "system/descriptor.hpp"
#include "system/mutex.hpp"
#include "worker/channel.hpp"
#include "worker/decoders.hpp"
#include "worker/process.hpp"
#include "worker/protocol.hpp"

namespace hotmic::worker {

/// One life of that process. Any thread.
class DecoderOrigin {
public:
    [[nodiscard]] static Result<std::shared_ptr<DecoderOrigin>> start(const DecoderOptions& options);

    /// Waits until it has answered. Errors: decoder_unavailable, sandbox_unavailable.
    [[nodiscard]] Result<void> ready();
    [[nodiscard]] bool ended() const { return process_->ended(); }

    /// Has a decoder forked, and returns our end of its channel; none when the process is gone.
    [[nodiscard]] system::Descriptor fork(const Decode& request);
    /// How a decoder ended, as soon as that is known; none where it is not known within `patience`.
    [[nodiscard]] std::optional<DecoderEnded> end_of(std::uint64_t number, std::chrono::milliseconds patience);
    /// Nobody will ask how it ended.
    void forget(std::uint64_t number);

private:
    bool on_message(const Frame& frame);
    void on_end();

    Mutex mutex_;
    Condition changed_;
    std::optional<Result<void>> answer_ HOTMIC_GUARDED_BY(mutex_);
    bool ended_ HOTMIC_GUARDED_BY(mutex_) = false;
    std::map<std::uint64_t, std::optional<DecoderEnded>> ends_ HOTMIC_GUARDED_BY(mutex_);  // somebody may ask about
    std::unique_ptr<WorkerProcess> process_;  // set by `start`; last: its reader uses everything above
};

}  // namespace hotmic::worker
