/// Recordings that are recognized while nobody waits: kept in a folder, so that neither a restart nor a crash loses
/// one.
///
///   DIR/jobs.db       what is known of them, and their results (JobStore)
///   DIR/recordings/   what is to be recognized (Recordings)
///   DIR/lock          held by the one process that works there
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/units.hpp"
#include "jobs/deliverer.hpp"
#include "jobs/job.hpp"
#include "jobs/job_store.hpp"
#include "jobs/outbound.hpp"
#include "jobs/recordings.hpp"
#include "jobs/runner.hpp"
#include "store/descriptor.hpp"
#include "system/mutex.hpp"

namespace hotmic::jobs {

struct Options {
    std::filesystem::path dir;
    JobStore::Limits limits{};
    std::chrono::milliseconds keep = std::chrono::hours(7 * 24);  ///< after a job has ended
    int parallel = 1;
    Bytes max_recording = mebibytes(100);  ///< of one that is fetched
    AllowedHosts url_hosts{};              ///< that recordings are fetched from
    AllowedHosts webhook_hosts{};
    std::string webhook_secret{};
    std::chrono::milliseconds webhook_timeout{10'000};
    std::chrono::milliseconds webhook_retry{5'000};  ///< the first wait; see Deliverer
    std::function<Time()> now = [] { return std::chrono::system_clock::now(); };
};

/// Who asks: a name, whose jobs are all there are to it; nothing: an operator, who sees them all.
using Viewer = std::optional<std::string>;

/// Any thread. Calls wait for the disk.
class Jobs {
public:
    /// Takes up what was left there. Errors: config_invalid, job_database_unusable, disk_full, io_error.
    [[nodiscard]] static Result<std::unique_ptr<Jobs>> open(Options options);
    /// Waits for those that run, which are asked to end.
    ~Jobs();
    Jobs(const Jobs&) = delete;
    Jobs& operator=(const Jobs&) = delete;

    /// Begins to run them. Once.
    void start(Runner::Recognize recognize);
    /// Those that run are given up and wait for the next start; does not wait for that.
    void stop();

    /// What may be asked. Errors: invalid_request.
    [[nodiscard]] Result<void> check_recording_url(const std::string& url) const;
    [[nodiscard]] Result<void> check_webhook(const std::string& url) const;

    /// Makes a job of what `asked` says of itself; `media`: null where it comes by a URL. Errors: those of
    /// JobStore::add.
    [[nodiscard]] Result<JobStore::Added> submit(Job asked, const MediaBytes* media);
    /// Errors of all: job_not_found, also for another's; those of JobStore.
    [[nodiscard]] Result<Job> find(const Viewer& viewer, const std::string& id);
    /// Newest first, from behind `after`, which is an id, on; empty: from the newest on.
    [[nodiscard]] Result<std::vector<Job>> list(const Viewer& viewer, std::optional<Status> status,
                                                const std::string& after, int most);
    /// Also: job_not_finished; why it failed.
    [[nodiscard]] Result<Answer> answer(const Viewer& viewer, const std::string& id);
    struct Removed {
        Job job;
        bool gone = false;  ///< it had ended, and is not known any more; else it is being cancelled
    };
    [[nodiscard]] Result<Removed> cancel_or_remove(const Viewer& viewer, const std::string& id);
    [[nodiscard]] std::optional<Seconds> heard(const std::string& id) const { return runner_.heard(id); }

    struct Figures {
        JobStore::Figures kept{};
        Seconds oldest_queued{};  ///< since it was made; 0: none is queued
        Deliverer::Counts deliveries{};
    };
    /// As of a moment ago: does not wait for the disk.
    [[nodiscard]] Figures figures() const;

private:
    Jobs(Options options, store::Descriptor lock, Recordings recordings, std::unique_ptr<JobStore> store,
         std::string key);
    void keep_house(const std::stop_token& stop);
    void stir();
    [[nodiscard]] Ran fetch(const Job& job, const std::stop_token& stop);
    [[nodiscard]] Result<void> send(const Message& message, Time now, const std::stop_token& stop) const;

    const Options options_;
    const store::Descriptor lock_;
    const Recordings recordings_;
    const std::unique_ptr<JobStore> store_;
    const std::string key_;  // of signatures
    Mutex submitting_;       // of whole submissions: room that was found is there until it is taken
    Deliverer deliverer_;
    mutable Mutex mutex_;
    StoppableCondition stirred_;
    bool stir_ HOTMIC_GUARDED_BY(mutex_) = false;
    JobStore::Figures figures_ HOTMIC_GUARDED_BY(mutex_);
    Runner runner_;
    std::jthread house_;  // last, and so ended first
};

}  // namespace hotmic::jobs
