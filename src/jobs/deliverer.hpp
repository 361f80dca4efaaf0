/// Tells whoever wants to know that a job has ended: again and again, with growing waits, until it is heard or given
/// up.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "hotmic/error.hpp"
#include "jobs/job.hpp"
#include "jobs/job_store.hpp"

namespace hotmic::jobs {

struct Message {
    std::string url;
    std::string id;  ///< the same for each attempt, so that who hears it twice can tell
    std::string body;
};

/// What is due is in the store, so a server that starts anew goes on where it was. One thread; `counts` any.
class Deliverer {
public:
    /// Waits between attempts: the first, and each four times the one before, six hours at most.
    static constexpr int kMostAttempts = 10;

    /// Errors: why it was not heard, in words.
    using Send = std::function<Result<void>(const Message&, Time now, const std::stop_token&)>;
    Deliverer(JobStore& store, std::chrono::milliseconds first_wait, Send send)
        : store_(store), first_wait_(first_wait), send_(std::move(send)) {}

    /// Sends what is due. Gives when the next is; none: nothing waits.
    [[nodiscard]] Result<std::optional<Time>> deliver_due(const std::function<Time()>& now,
                                                          const std::stop_token& stop);

    /// The wait after so many attempts.
    [[nodiscard]] std::chrono::milliseconds wait_after(int attempts) const noexcept;

    struct Counts {
        std::uint64_t delivered = 0;
        std::uint64_t refused = 0;  ///< attempts that are followed by others
        std::uint64_t given_up = 0;
    };
    [[nodiscard]] Counts counts() const noexcept { return {delivered_, refused_, given_up_}; }

private:
    JobStore& store_;
    const std::chrono::milliseconds first_wait_;
    const Send send_;
    std::atomic<std::uint64_t> delivered_{0};
    std::atomic<std::uint64_t> refused_{0};
    std::atomic<std::uint64_t> given_up_{0};
};

/// {"type": "job.succeeded", "timestamp", "data": the job}
[[nodiscard]] Message message_of(const Job& job);

}  // namespace hotmic::jobs
