#include "jobs/deliverer.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <format>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "hotmic/error.hpp"
#include "jobs/job.hpp"
#include "jobs/job_json.hpp"
#include "text/json.hpp"

namespace hotmic::jobs {
namespace wire {

struct WebhookBody {
    std::string type;
    std::string timestamp;
    Job data;
};

}  // namespace wire

Message message_of(const Job& job) {
    wire::WebhookBody body{.type = std::format("job.{}", to_string(job.status)),
                           .timestamp = wire::time_text(job.finished.value_or(job.created)),
                           .data = wire::describe(job)};
    body.data.webhook.reset();  // else each attempt would say something else
    return {.url = job.webhook.url, .id = "msg_" + job.id.substr(job.id.find('_') + 1), .body = to_json(body)};
}

std::chrono::milliseconds Deliverer::wait_after(int attempts) const noexcept {
    constexpr std::chrono::milliseconds kLongest = std::chrono::hours(6);
    auto wait = first_wait_;
    for (int i = 1; i < attempts && wait < kLongest; ++i) wait *= 4;
    return std::min(wait, kLongest);
}

Result<std::optional<Time>> Deliverer::deliver_due(const std::function<Time()>& now, const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        const auto job = store_.next_delivery();
        if (!job) return std::unexpected(job.error());
        if (!*job) return std::nullopt;
        const auto& webhook = (*job)->webhook;
        const auto at = now();
        if (webhook.next.value_or(at) > at) return webhook.next;
        const auto sent = send_(message_of(**job), at, stop);
        if (!sent && stop.stop_requested()) break;  // it was we who gave up
        const int attempts = webhook.attempts + 1;
        const bool again = !sent && attempts < kMostAttempts;
        const auto next = again ? std::optional(now() + wait_after(attempts)) : std::nullopt;
        if (auto noted = store_.note_delivery((*job)->id, sent ? "" : sent.error().message, next); !noted)
            return std::unexpected(noted.error());
        if (sent) {
            ++delivered_;
            spdlog::info("webhook delivered job={} attempts={}", (*job)->id, attempts);
        } else {
            ++(again ? refused_ : given_up_);
            spdlog::warn("webhook {} job={} attempts={} cause={:?}", again ? "not delivered yet" : "given up",
                         (*job)->id, attempts, sent.error().message);
        }
    }
    return std::nullopt;
}

}  // namespace hotmic::jobs
