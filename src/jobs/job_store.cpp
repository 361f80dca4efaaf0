#include "jobs/job_store.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <SQLiteCpp/VariadicBind.h>
#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <format>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "jobs/job.hpp"
#include "jobs/job_rows.hpp"
#include "system/mutex.hpp"
#include "text/json.hpp"

namespace hotmic::jobs {
namespace {

Error error_of(const SQLite::Exception& why, const std::filesystem::path& file) {
    const auto message = std::format("the database of the jobs, {}: {}", file.string(), why.what());
    switch (why.getErrorCode() & 0xff) {
        case SQLITE_FULL:
            return {ErrorCode::disk_full, message, "free space there, or set jobs.dir to a folder on a larger disk"};
        case SQLITE_NOTADB:
        case SQLITE_CORRUPT:
        case SQLITE_SCHEMA:
            return {ErrorCode::job_database_unusable, message,
                    "restore it from a backup, or move it away: a new one is made", "jobs.dir"};
        case SQLITE_CANTOPEN:
        case SQLITE_READONLY:
        case SQLITE_PERM:
            return {ErrorCode::io_error, message, "set jobs.dir to a folder that may be written", "jobs.dir"};
        default:
            return {ErrorCode::io_error, message, "check the disk (dmesg)"};
    }
}

}  // namespace

struct JobStore::Impl {
    Impl(std::filesystem::path path, Limits most)
        : file(std::move(path)), limits(most), db(file, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, 5000) {}

    /// Runs `work` as one transaction. What it throws is undone, and becomes an error.
    template <class Work>
    auto transact(Work work) -> decltype(work(*this)) {
        const Lock lock(mutex);
        try {
            SQLite::Transaction transaction(db, SQLite::TransactionBehavior::IMMEDIATE);
            auto result = work(*this);
            if (result) transaction.commit();
            return result;
        } catch (const SQLite::Exception& why) {
            return std::unexpected(error_of(why, file));
        }
    }

    [[nodiscard]] std::optional<Job> one(const std::string& where, const auto&... values) HOTMIC_REQUIRES(mutex) {
        SQLite::Statement query(db, std::format("SELECT {} FROM jobs WHERE {}", kColumns, where));
        SQLite::bind(query, values...);
        if (!query.executeStep()) return std::nullopt;
        return row_of(query);
    }
    [[nodiscard]] std::optional<Job> by_id(const std::string& id) HOTMIC_REQUIRES(mutex) { return one("id = ?", id); }

    int change(const char* sql, const auto&... values) HOTMIC_REQUIRES(mutex) {
        SQLite::Statement statement(db, sql);
        SQLite::bind(statement, values...);
        return statement.exec();
    }

    Result<void> room(std::size_t more, Bytes size) const HOTMIC_REQUIRES(mutex) {
        SQLite::Statement query(db, "SELECT count(*), ifnull(sum(recording_bytes + result_bytes), 0) FROM jobs");
        query.executeStep();
        const auto jobs = static_cast<std::size_t>(query.getColumn(0).getInt64());
        const auto held = Bytes(query.getColumn(1).getInt64());
        if (jobs + more > limits.jobs) {
            return fail(ErrorCode::queue_full, std::format("{} jobs are kept already, as many as jobs.max_jobs", jobs),
                        "DELETE those whose results were fetched, or try again later");
        }
        if (held + size > limits.size) {
            return fail(ErrorCode::queue_full,
                        std::format("the recordings and results of jobs take {} bytes already, and {} more are over "
                                    "jobs.max_bytes",
                                    held.count(), size.count()),
                        "DELETE those whose results were fetched, or try again later");
        }
        return {};
    }

    Result<std::optional<Job>> same(const std::string& owner, const std::string& key, const std::string& fingerprint)
        HOTMIC_REQUIRES(mutex) {
        if (key.empty()) return std::nullopt;
        auto found = one("owner = ? AND idempotency_key = ?", owner, key);
        if (found && found->fingerprint != fingerprint) {
            return fail(ErrorCode::idempotency_mismatch,
                        std::format("job {} was made with this Idempotency-Key, by another request", found->id),
                        "send another key with another request", "Idempotency-Key");
        }
        return found;
    }

    void finish(const std::string& id, Status status, const Error* error, const std::string& served_by, Time now)
        HOTMIC_REQUIRES(mutex) {
        change(
            "UPDATE jobs SET status = ?, finished_ms = ?, served_by = ?, recording_bytes = 0, "
            "webhook_state = CASE webhook_url WHEN '' THEN 'none' ELSE 'pending' END, "
            "webhook_due_ms = CASE webhook_url WHEN '' THEN NULL ELSE ? END WHERE id = ?",
            std::string(to_string(status)), ms_of(now), served_by, ms_of(now), id);
        if (error == nullptr) return;
        change("UPDATE jobs SET error_code = ?, error_message = ?, error_param = ? WHERE id = ?",
               std::string(to_string(error->code)), error->describe(), error->param, id);
    }

    /// Errors: job_database_unusable.
    Result<void> prepare() HOTMIC_REQUIRES(mutex);

    const std::filesystem::path file;
    const Limits limits;
    Mutex mutex;
    SQLite::Database db HOTMIC_GUARDED_BY(mutex);
};

Result<void> JobStore::Impl::prepare() {
    const auto unusable = [&](std::string what) {
        return fail(ErrorCode::job_database_unusable, std::format("{} {}", file.string(), what),
                    "set jobs.dir to another folder", "jobs.dir");
    };
    const auto version = db.execAndGet("PRAGMA user_version").getInt();
    const auto application = db.execAndGet("PRAGMA application_id").getInt();
    const auto tables = db.execAndGet("SELECT count(*) FROM sqlite_master").getInt();
    if (application != kApplication && (application != 0 || tables > 0))
        return unusable("is a database of another program");
    if (version > kVersion) {
        return unusable(
            std::format("is of a later hotmic (version {} of the tables; this one knows {})", version, kVersion));
    }
    db.exec("PRAGMA journal_mode = WAL");
    db.exec("PRAGMA synchronous = FULL");
    db.exec("PRAGMA foreign_keys = ON");
    db.exec("PRAGMA secure_delete = ON");  // what was said is gone with its job
    if (tables == 0) {
        SQLite::Transaction transaction(db);
        db.exec(kSchema);
        db.exec(std::format("PRAGMA application_id = {}", kApplication));
        db.exec(std::format("PRAGMA user_version = {}", kVersion));
        transaction.commit();
        return {};
    }
    if (const auto found = db.execAndGet("PRAGMA quick_check(1)").getString(); found != "ok") {
        return fail(ErrorCode::job_database_unusable, std::format("{} is damaged: {}", file.string(), found),
                    "restore it from a backup, or move it away: a new one is made", "jobs.dir");
    }
    return {};
}

JobStore::JobStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
JobStore::~JobStore() = default;

Result<std::unique_ptr<JobStore>> JobStore::open(const std::filesystem::path& file, Limits limits) {
    try {
        auto impl = std::make_unique<Impl>(file, limits);
        const Lock lock(impl->mutex);
        if (auto prepared = impl->prepare(); !prepared) return std::unexpected(std::move(prepared).error());
        return std::unique_ptr<JobStore>(new JobStore(std::move(impl)));
    } catch (const SQLite::Exception& why) {
        return std::unexpected(error_of(why, file));
    }
}

Result<std::vector<Job>> JobStore::recover(Time now) {
    return impl_->transact([&](Impl& held) HOTMIC_REQUIRES(held.mutex) -> Result<std::vector<Job>> {
        std::vector<Job> running;
        {
            SQLite::Statement query(held.db, std::format("SELECT {} FROM jobs WHERE status = 'running'", kColumns));
            while (query.executeStep()) running.push_back(row_of(query));
        }
        std::vector<Job> ended;
        for (const auto& job : running) {
            if (job.cancel_requested) {
                held.finish(job.id, Status::cancelled, nullptr, "", now);
            } else if (job.starts >= Job::kMostStarts) {
                const Error error{ErrorCode::job_abandoned,
                                  std::format("the server ended {} times while it worked on this job", job.starts),
                                  "try the recording in another format, or look into the server's log", ""};
                held.finish(job.id, Status::failed, &error, "", now);
            } else {
                held.change("UPDATE jobs SET status = 'queued', started_ms = NULL, due_ms = ? WHERE id = ?", ms_of(now),
                            job.id);
                continue;
            }
            ended.push_back(*held.by_id(job.id));
        }
        return ended;
    });
}

Result<void> JobStore::check_room(std::size_t jobs, Bytes size) {
    return impl_->transact([&](Impl& held) HOTMIC_REQUIRES(held.mutex) { return held.room(jobs, size); });
}

Result<JobStore::Added> JobStore::add(Job job) {
    return impl_->transact([&](Impl& held) HOTMIC_REQUIRES(held.mutex) -> Result<Added> {
        auto same = held.same(job.owner, job.idempotency_key, job.fingerprint);
        if (!same) return std::unexpected(std::move(same).error());
        if (*same) return Added{.job = **std::move(same), .is_new = false};
        if (auto room = held.room(1, job.recording_size); !room) return std::unexpected(std::move(room).error());
        held.change(
            "INSERT INTO jobs (id, owner, idempotency_key, fingerprint, task, model, fields, file_name, url, "
            "recording_bytes, status, due_ms, created_ms, webhook_url) VALUES (?, ?, nullif(?, ''), ?, ?, ?, "
            "?, ?, ?, ?, 'queued', ?, ?, ?)",
            job.id, job.owner, job.idempotency_key, job.fingerprint, job.task, job.model, to_json(job.fields),
            job.file_name, job.url, static_cast<std::int64_t>(job.recording_size.count()), ms_of(job.created),
            ms_of(job.created), job.webhook.url);
        return Added{.job = *held.by_id(job.id)};
    });
}

Result<std::optional<Job>> JobStore::find_same(const std::string& owner, const std::string& idempotency_key,
                                               const std::string& fingerprint) {
    return impl_->transact([&](Impl& held)
                               HOTMIC_REQUIRES(held.mutex) { return held.same(owner, idempotency_key, fingerprint); });
}

Result<std::optional<Job>> JobStore::find(const std::string& id) {
    return impl_->transact([&](Impl& held)
                               HOTMIC_REQUIRES(held.mutex) -> Result<std::optional<Job>> { return held.by_id(id); });
}

Result<std::vector<Job>> JobStore::list(const Query& query) {
    return impl_->transact([&](Impl& held) HOTMIC_REQUIRES(held.mutex) -> Result<std::vector<Job>> {
        std::string where = "TRUE";
        if (query.owner) where += " AND owner = :owner";
        if (query.status) where += " AND status = :status";
        if (query.before) where += " AND number < :before";
        SQLite::Statement rows(
            held.db, std::format("SELECT {} FROM jobs WHERE {} ORDER BY number DESC LIMIT :most", kColumns, where));
        if (query.owner) rows.bind(":owner", *query.owner);
        if (query.status) rows.bind(":status", std::string(to_string(*query.status)));
        if (query.before) rows.bind(":before", *query.before);
        rows.bind(":most", query.most);
        std::vector<Job> found;
        while (rows.executeStep()) found.push_back(row_of(rows));
        return found;
    });
}

Result<std::optional<Answer>> JobStore::answer(const std::string& id) {
    return impl_->transact([&](Impl& held) HOTMIC_REQUIRES(held.mutex) -> Result<std::optional<Answer>> {
        SQLite::Statement query(held.db,
                                "SELECT content_type, body, served_by FROM answers JOIN jobs USING (id) WHERE id = ?");
        SQLite::bind(query, id);
        if (!query.executeStep()) return std::nullopt;
        return Answer{query.getColumn(0).getString(), query.getColumn(1).getString(), query.getColumn(2).getString()};
    });
}

Result<std::set<std::string>> JobStore::unfinished() {
    return impl_->transact([&](Impl& held) HOTMIC_REQUIRES(held.mutex) -> Result<std::set<std::string>> {
        SQLite::Statement query(held.db, "SELECT id FROM jobs WHERE status IN ('queued', 'running')");
        std::set<std::string> ids;
        while (query.executeStep()) ids.insert(query.getColumn(0).getString());
        return ids;
    });
}

Result<std::optional<Job>> JobStore::claim(Time now, const std::set<std::string>& resting) {
    return impl_->transact([&](Impl& held) HOTMIC_REQUIRES(held.mutex) -> Result<std::optional<Job>> {
        const auto job = held.one(
            "status = 'queued' AND due_ms <= ? AND model NOT IN (SELECT value FROM json_each(?)) ORDER BY number LIMIT "
            "1",
            ms_of(now), to_json(resting));
        if (!job) return std::nullopt;
        held.change("UPDATE jobs SET status = 'running', starts = starts + 1, started_ms = ? WHERE id = ?", ms_of(now),
                    job->id);
        return held.by_id(job->id);
    });
}

Result<std::optional<Time>> JobStore::next_due(Time now) {
    return impl_->transact([&](Impl& held) HOTMIC_REQUIRES(held.mutex) -> Result<std::optional<Time>> {
        SQLite::Statement query(held.db, "SELECT min(due_ms) FROM jobs WHERE status = 'queued' AND due_ms > ?");
        SQLite::bind(query, ms_of(now));
        query.executeStep();
        return time_in(query.getColumn(0));
    });
}

Result<void> JobStore::note_recording(const std::string& id, Bytes size) {
    return impl_->transact([&](Impl& held) HOTMIC_REQUIRES(held.mutex) -> Result<void> {
        held.change("UPDATE jobs SET recording_bytes = ? WHERE id = ?", static_cast<std::int64_t>(size.count()), id);
        return {};
    });
}

Result<void> JobStore::give_back(const std::string& id, Time due, bool counts) {
    return impl_->transact([&](Impl& held) HOTMIC_REQUIRES(held.mutex) -> Result<void> {
        held.change(
            "UPDATE jobs SET status = 'queued', started_ms = NULL, due_ms = ?, starts = starts - ? "
            "WHERE id = ? AND status = 'running'",
            ms_of(due), counts ? 0 : 1, id);
        return {};
    });
}

Result<Job> JobStore::end(const std::string& id, const Result<Answer>& outcome, Time now) {
    return impl_->transact([&](Impl& held) HOTMIC_REQUIRES(held.mutex) -> Result<Job> {
        if (outcome) {
            SQLite::Statement insert(held.db, "INSERT INTO answers (id, content_type, body) VALUES (?, ?, ?)");
            insert.bind(1, id);
            insert.bind(2, outcome->content_type);
            insert.bindNoCopy(3, outcome->body.data(), static_cast<int>(outcome->body.size()));
            insert.exec();
            held.change("UPDATE jobs SET result_bytes = ? WHERE id = ?",
                        static_cast<std::int64_t>(outcome->body.size()), id);
            held.finish(id, Status::succeeded, nullptr, outcome->served_by, now);
        } else if (outcome.error().code == ErrorCode::cancelled) {
            held.finish(id, Status::cancelled, nullptr, "", now);
        } else {
            held.finish(id, Status::failed, &outcome.error(), "", now);
        }
        auto ended = held.by_id(id);
        if (!ended) return no_such_job(id);
        return *std::move(ended);
    });
}

Result<Job> JobStore::cancel(const std::string& id, Time now) {
    return impl_->transact([&](Impl& held) HOTMIC_REQUIRES(held.mutex) -> Result<Job> {
        const auto job = held.by_id(id);
        if (!job) return no_such_job(id);
        if (job->status == Status::queued) held.finish(id, Status::cancelled, nullptr, "", now);
        if (job->status == Status::running) held.change("UPDATE jobs SET cancel_requested = 1 WHERE id = ?", id);
        return *held.by_id(id);
    });
}

Result<void> JobStore::remove(const std::string& id) {
    return impl_->transact([&](Impl& held) HOTMIC_REQUIRES(held.mutex) -> Result<void> {
        held.change("DELETE FROM jobs WHERE id = ? AND status NOT IN ('queued', 'running')", id);
        return {};
    });
}

Result<int> JobStore::expire(Time before) {
    return impl_->transact([&](Impl& held) HOTMIC_REQUIRES(held.mutex) -> Result<int> {
        return held.change("DELETE FROM jobs WHERE finished_ms < ?", ms_of(before));
    });
}

Result<std::optional<Job>> JobStore::next_delivery() {
    return impl_->transact([&](Impl& held) HOTMIC_REQUIRES(held.mutex) -> Result<std::optional<Job>> {
        return held.one("webhook_state = 'pending' ORDER BY webhook_due_ms LIMIT 1");
    });
}

Result<void> JobStore::note_delivery(const std::string& id, const std::string& error, std::optional<Time> next) {
    return impl_->transact([&](Impl& held) HOTMIC_REQUIRES(held.mutex) -> Result<void> {
        const auto state = next ? Delivery::pending : error.empty() ? Delivery::delivered : Delivery::failed;
        held.change(
            "UPDATE jobs SET webhook_state = ?, webhook_attempts = webhook_attempts + 1, webhook_error = ?, "
            "webhook_due_ms = nullif(?, -1) WHERE id = ?",
            std::string(to_string(state)), error, next ? ms_of(*next) : std::int64_t{-1}, id);
        return {};
    });
}

Result<JobStore::Figures> JobStore::figures() {
    return impl_->transact([&](Impl& held) HOTMIC_REQUIRES(held.mutex) -> Result<Figures> {
        Figures figures;
        for (const auto status : kStatuses) figures.jobs[status] = 0;
        SQLite::Statement counts(held.db,
                                 "SELECT status, count(*), sum(recording_bytes + result_bytes), "
                                 "sum(webhook_state = 'pending'), min(created_ms) FROM jobs GROUP BY status");
        while (counts.executeStep()) {
            const auto status = status_named(counts.getColumn(0).getString()).value_or(Status::failed);
            figures.jobs[status] = static_cast<std::size_t>(counts.getColumn(1).getInt64());
            figures.size += Bytes(counts.getColumn(2).getInt64());
            figures.pending_deliveries += static_cast<std::size_t>(counts.getColumn(3).getInt64());
            if (status == Status::queued) figures.oldest_queued = time_in(counts.getColumn(4));
        }
        return figures;
    });
}

}  // namespace hotmic::jobs
