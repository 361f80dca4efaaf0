/// A recording that is recognized without anybody waiting, and what has become of it.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"

namespace hotmic::jobs {

using Time = std::chrono::system_clock::time_point;

///            ┌─────────────────── the server ends or dies, the model is not there
///            ▼                                       │
///   ──▶  queued ──────────────▶ running ─────────────┤
///            │ DELETE            │ DELETE            ├─▶ succeeded
///            └────▶ cancelled ◀──┘                   └─▶ failed
enum class Status : std::uint8_t { queued, running, succeeded, failed, cancelled };
inline constexpr std::array kStatuses{Status::queued, Status::running, Status::succeeded, Status::failed,
                                      Status::cancelled};
[[nodiscard]] std::string_view to_string(Status status) noexcept;
[[nodiscard]] std::optional<Status> status_named(std::string_view name) noexcept;
[[nodiscard]] constexpr bool has_ended(Status status) noexcept {
    return status != Status::queued && status != Status::running;
}

/// How the news that a job has ended fares.
enum class Delivery : std::uint8_t {
    none,     ///< nobody asked for it, or the job has not ended
    pending,  ///< tried again and again
    delivered,
    failed,  ///< given up
};
[[nodiscard]] std::string_view to_string(Delivery delivery) noexcept;

struct Webhook {
    std::string url{};  ///< empty: nobody wants to be told
    Delivery state = Delivery::none;
    int attempts = 0;
    std::optional<Time> next{};  ///< while it is pending
    std::string last_error{};
};

struct Job {
    std::int64_t number = 0;  ///< they run in this order
    std::string id{};         ///< "job_" and 32 hexadecimal digits that nobody guesses
    std::string owner{};      ///< who made it, and may see it
    std::string idempotency_key{};
    std::string fingerprint{};  ///< what was asked, in short: two requests of one fingerprint are the same
    std::string task{};         ///< "transcribe", "translate"
    std::string model{};        ///< as it was asked for; empty: the default
    /// The form's fields as they came, and "?name" those of the URL: they are read anew when the job runs, so what they
    /// mean is kept nowhere else.
    std::vector<std::pair<std::string, std::string>> fields{};
    std::string file_name{};
    std::string url{};       ///< to fetch the recording from; empty: it was sent
    Bytes recording_size{};  ///< on disk now
    Status status = Status::queued;
    bool cancel_requested = false;  ///< it runs, and is to end
    int starts = 0;                 ///< that were not taken back
    Time created{};
    std::optional<Time> started{};
    std::optional<Time> finished{};
    std::string served_by{};  ///< the model that did it
    std::optional<Error> error{};
    Webhook webhook{};
    std::size_t position = 0;  ///< of a queued one: how many are before it, and 1

    /// A server that was killed so often while it worked on a job is not killed by it again.
    static constexpr int kMostStarts = 3;
};

/// What a job yields: the response that the same request would have had at once.
struct Answer {
    std::string content_type;
    std::string body;
    std::string served_by{};
};

[[nodiscard]] std::string new_job_id();
/// job_not_found
[[nodiscard]] std::unexpected<Error> no_such_job(std::string_view id);

}  // namespace hotmic::jobs
