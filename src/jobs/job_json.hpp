/// A job as clients see it, in answers and in webhooks.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "hotmic/units.hpp"
#include "jobs/job.hpp"

namespace hotmic::jobs::wire {

struct JobError {
    std::string code;
    std::string message;
    std::optional<std::string> param{};
};
struct JobWebhook {
    std::string url;
    std::string state;
    int attempts = 0;
    std::optional<std::string> next_attempt_at{};
    std::optional<std::string> last_error{};
};
struct JobProgress {
    double audio_seconds = 0;  // recognized so far
};
struct Job {
    std::string id;
    std::string object = "transcription.job";
    std::string status;
    std::string task;
    std::string model;  // that was asked for, or that did it
    std::string file_name{};
    std::string created_at;
    std::optional<std::string> started_at{};
    std::optional<std::string> finished_at{};
    std::optional<std::size_t> position{};
    std::optional<JobProgress> progress{};
    std::optional<bool> cancelling{};
    std::optional<JobError> error{};
    std::optional<JobWebhook> webhook{};
};

[[nodiscard]] std::string time_text(Time time);
/// `heard`: what was recognized, of one that runs.
[[nodiscard]] Job describe(const jobs::Job& job, std::optional<Seconds> heard = {});

}  // namespace hotmic::jobs::wire
