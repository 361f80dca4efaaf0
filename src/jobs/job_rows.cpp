#include "jobs/job_rows.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <glaze/glaze.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "jobs/job.hpp"

namespace hotmic::jobs {
namespace {

using std::chrono::milliseconds;

Time time_of(std::int64_t ms) {
    return Time(milliseconds(ms));
}

ErrorCode code_in(std::string_view name) {
    const auto found = std::ranges::find(error_table(), name, &ErrorSpec::name);
    return found == error_table().end() ? ErrorCode::internal : found->code;
}

}  // namespace

const char* const kSchema = R"(
CREATE TABLE jobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  owner TEXT NOT NULL,
  idempotency_key TEXT,
  fingerprint TEXT NOT NULL,
  task TEXT NOT NULL,
  model TEXT NOT NULL,
  fields TEXT NOT NULL,
  file_name TEXT NOT NULL,
  url TEXT NOT NULL,
  recording_bytes INTEGER NOT NULL,
  result_bytes INTEGER NOT NULL DEFAULT 0,
  status TEXT NOT NULL,
  cancel_requested INTEGER NOT NULL DEFAULT 0,
  starts INTEGER NOT NULL DEFAULT 0,
  due_ms INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  started_ms INTEGER,
  finished_ms INTEGER,
  served_by TEXT NOT NULL DEFAULT '',
  error_code TEXT,
  error_message TEXT,
  error_param TEXT,
  webhook_url TEXT NOT NULL,
  webhook_state TEXT NOT NULL DEFAULT 'none',
  webhook_attempts INTEGER NOT NULL DEFAULT 0,
  webhook_due_ms INTEGER,
  webhook_error TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX jobs_by_key ON jobs (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX jobs_by_status ON jobs (status, number);
CREATE INDEX jobs_by_owner ON jobs (owner, number);
CREATE INDEX jobs_by_delivery ON jobs (webhook_due_ms) WHERE webhook_state = 'pending';
CREATE TABLE answers (
  id TEXT PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
  content_type TEXT NOT NULL,
  body BLOB NOT NULL
);
)";

const char* const kColumns =
    "number, id, owner, idempotency_key, fingerprint, task, model, fields, file_name, url, recording_bytes, status, "
    "cancel_requested, starts, created_ms, started_ms, finished_ms, served_by, error_code, error_message, error_param, "
    "webhook_url, webhook_state, webhook_attempts, webhook_due_ms, webhook_error, "
    "CASE status WHEN 'queued' THEN (SELECT count(*) FROM jobs AS before WHERE before.status = 'queued' AND "
    "before.number <= jobs.number) ELSE 0 END";

std::int64_t ms_of(Time time) {
    return std::chrono::duration_cast<milliseconds>(time.time_since_epoch()).count();
}

std::optional<Time> time_in(const SQLite::Column& column) {
    return column.isNull() ? std::nullopt : std::optional(time_of(column.getInt64()));
}

Job row_of(SQLite::Statement& row) {
    int at = 0;
    const auto next = [&] { return row.getColumn(at++); };
    const auto text = [&] { return next().getString(); };
    Job job{.number = next().getInt64(), .id = text(), .owner = text(), .idempotency_key = text()};
    job.fingerprint = text();
    job.task = text();
    job.model = text();
    if (glz::read_json(job.fields, text())) job.fields.clear();
    job.file_name = text();
    job.url = text();
    job.recording_size = Bytes(next().getInt64());
    job.status = status_named(text()).value_or(Status::failed);
    job.cancel_requested = next().getInt() != 0;
    job.starts = next().getInt();
    job.created = time_of(next().getInt64());
    job.started = time_in(next());
    job.finished = time_in(next());
    job.served_by = text();
    const auto code = text();
    auto message = text();
    auto param = text();
    if (!code.empty()) job.error = Error{code_in(code), std::move(message), "", std::move(param)};
    auto& webhook = job.webhook;
    webhook.url = text();
    const auto state = text();
    for (const auto each : {Delivery::pending, Delivery::delivered, Delivery::failed}) {
        if (state == to_string(each)) webhook.state = each;
    }
    webhook.attempts = next().getInt();
    webhook.next = time_in(next());
    webhook.last_error = text();
    job.position = static_cast<std::size_t>(next().getInt64());
    return job;
}

}  // namespace hotmic::jobs
