#include "jobs/job_json.hpp"

#include <chrono>
#include <format>
#include <optional>
#include <string>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "jobs/job.hpp"
#include "text/utf8.hpp"

namespace hotmic::jobs::wire {

std::string time_text(Time time) {
    return std::format("{:%FT%TZ}", std::chrono::floor<std::chrono::milliseconds>(time));
}

Job describe(const jobs::Job& job, std::optional<Seconds> heard) {
    Job told{.id = job.id,
             .status = std::string(to_string(job.status)),
             .task = job.task,
             .model = valid_utf8(job.served_by.empty() ? job.model : job.served_by),
             .file_name = valid_utf8(job.file_name),
             .created_at = time_text(job.created),
             .started_at = job.started.transform(time_text),
             .finished_at = job.finished.transform(time_text)};
    if (job.status == Status::queued) told.position = job.position;
    if (job.status == Status::running) {
        told.progress = JobProgress{heard.value_or(Seconds{}).count()};
        if (job.cancel_requested) told.cancelling = true;
    }
    if (job.error) {
        told.error = JobError{.code = std::string(hotmic::to_string(job.error->code)),
                              .message = valid_utf8(job.error->describe())};
        if (!job.error->param.empty()) told.error->param = valid_utf8(job.error->param);
    }
    if (const auto& webhook = job.webhook; !webhook.url.empty()) {
        told.webhook = JobWebhook{.url = webhook.url,
                                  .state = std::string(to_string(webhook.state)),
                                  .attempts = webhook.attempts,
                                  .next_attempt_at = webhook.next.transform(time_text)};
        if (!webhook.last_error.empty()) told.webhook->last_error = valid_utf8(webhook.last_error);
    }
    return told;
}

}  // namespace hotmic::jobs::wire
