/// What is known of jobs, in a SQLite database: a server that is killed at any moment has lost none of what it told.
///
/// Every function is one transaction that is on the disk when it returns. Errors of all: disk_full, io_error,
/// job_database_unusable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "jobs/job.hpp"

namespace hotmic::jobs {

/// Any thread; calls wait for each other.
class JobStore {
public:
    /// Of the tables. A database of a later one is refused.
    static constexpr int kVersion = 1;

    struct Limits {
        std::size_t jobs = 1000;           ///< kept, ended ones included
        Bytes size = mebibytes(10 << 10);  ///< of recordings and results
    };

    /// Makes the file where there is none. The folder must be this process's own. Also: job_database_unusable where the
    /// file is damaged, of another program, or of a later hotmic.
    [[nodiscard]] static Result<std::unique_ptr<JobStore>> open(const std::filesystem::path& file, Limits limits);
    ~JobStore();
    JobStore(const JobStore&) = delete;
    JobStore& operator=(const JobStore&) = delete;

    /// Once, before anything else: jobs that ran when the server ended wait again, but those that ran
    /// `Job::kMostStarts` times have failed, and those that were to be cancelled are. Gives what has ended so.
    [[nodiscard]] Result<std::vector<Job>> recover(Time now);

    /// Whether there is room for so many more, with so many bytes. Also: queue_full.
    [[nodiscard]] Result<void> check_room(std::size_t jobs, Bytes size);
    struct Added {
        Job job;
        bool is_new = true;  ///< false: one with this idempotency key was there
    };
    /// A new job, queued. Also: queue_full; idempotency_mismatch.
    [[nodiscard]] Result<Added> add(Job job);
    /// As `add` would find it. Also: idempotency_mismatch.
    [[nodiscard]] Result<std::optional<Job>> find_same(const std::string& owner, const std::string& idempotency_key,
                                                       const std::string& fingerprint);

    [[nodiscard]] Result<std::optional<Job>> find(const std::string& id);
    struct Query {
        std::optional<std::string> owner{};  ///< none: of everybody
        std::optional<Status> status{};
        std::optional<std::int64_t> before{};  ///< those made before this number
        int most = 20;
    };
    /// Newest first.
    [[nodiscard]] Result<std::vector<Job>> list(const Query& query);
    /// Of a job that succeeded.
    [[nodiscard]] Result<std::optional<Answer>> answer(const std::string& id);
    /// Jobs whose recording is needed.
    [[nodiscard]] Result<std::set<std::string>> unfinished();

    /// The oldest that is queued and due, of none of these models; running from now on.
    [[nodiscard]] Result<std::optional<Job>> claim(Time now, const std::set<std::string>& resting = {});
    /// When the next one is due that was not yet.
    [[nodiscard]] Result<std::optional<Time>> next_due(Time now);
    /// The recording has come by its URL.
    [[nodiscard]] Result<void> note_recording(const std::string& id, Bytes size);
    /// Back to where it was in the queue, not to be claimed before `due`. `counts`: the start does not count.
    [[nodiscard]] Result<void> give_back(const std::string& id, Time due, bool counts);
    /// `cancelled` ends it as that. Gives it as it is then.
    [[nodiscard]] Result<Job> end(const std::string& id, const Result<Answer>& outcome, Time now);
    /// A queued one has ended then; a running one is marked. Gives it as it is then; one that had ended is as it was.
    /// Also: job_not_found.
    [[nodiscard]] Result<Job> cancel(const std::string& id, Time now);
    /// With its answer. Only one that has ended.
    [[nodiscard]] Result<void> remove(const std::string& id);
    /// Removes those that ended before; how many.
    [[nodiscard]] Result<int> expire(Time before);

    /// The delivery that is due first, if not before.
    [[nodiscard]] Result<std::optional<Job>> next_delivery();
    /// `next`: none, and `error` empty: delivered; none: given up.
    [[nodiscard]] Result<void> note_delivery(const std::string& id, const std::string& error, std::optional<Time> next);

    struct Figures {
        std::map<Status, std::size_t> jobs{};
        std::optional<Time> oldest_queued{};
        Bytes size{};
        std::size_t pending_deliveries = 0;
    };
    [[nodiscard]] Result<Figures> figures();

private:
    struct Impl;
    explicit JobStore(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace hotmic::jobs
