/// Runs jobs, in the order in which they came, a few at once.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/units.hpp"
#include "jobs/job.hpp"
#include "jobs/job_store.hpp"
#include "jobs/recordings.hpp"
#include "system/mutex.hpp"

namespace hotmic::jobs {

/// Whether a job that failed runs again.
enum class Again : std::uint8_t {
    no,
    model,    ///< its model is not there, or has no room: all its jobs wait, at first shortly, then longer
    later,    ///< in a while; it is not the job's fault
    counted,  ///< in a while; that run was one of `Job::kMostStarts`
};

/// How a run of a job went.
struct Ran {
    Result<Answer> answer;
    Again again = Again::no;
};

/// Any thread.
class Runner {
public:
    /// Recognizes, and returns when that is over: soon, once `stop` is requested. `heard` takes how much has
    /// been recognized so far.
    using Recognize = std::function<Ran(const Job& job, std::shared_ptr<const MediaBytes> media,
                                        const std::function<void(Seconds)>& heard, const std::stop_token& stop)>;
    /// Gets the recording of a job that came with a URL.
    using Fetch = std::function<Ran(const Job& job, const std::stop_token& stop)>;
    struct Steps {
        Fetch fetch;
        Recognize recognize;
        std::function<void()> changed;  ///< a job has begun, ended or waits again; on the runner's threads
    };

    Runner(JobStore& store, const Recordings& recordings, std::function<Time()> now)
        : store_(store), recordings_(recordings), now_(std::move(now)) {}
    ~Runner();
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;

    /// Once. So many jobs at once.
    void start(int threads, Steps steps);
    /// There may be something to do.
    void wake();
    /// Asks one that runs to end.
    void cancel(const std::string& id);
    /// Asks all to end: they go back to the queue. Does not wait.
    void stop();
    /// Seconds that were recognized, of a job that runs.
    [[nodiscard]] std::optional<Seconds> heard(const std::string& id) const;

private:
    struct Running {
        std::stop_source stop;
        std::atomic<Seconds> heard{};
    };
    void work(const std::stop_token& stop);
    void run(const Job& job, const std::stop_token& stop);
    [[nodiscard]] Ran attempt(const Job& job, const std::shared_ptr<Running>& running);
    void settle(const Job& job, Ran ran, bool stopping, const std::stop_token& stop);
    void insist(const std::function<Result<void>()>& write, const std::string& id, const std::stop_token& stop);
    void rest(std::chrono::milliseconds longest, const std::stop_token& stop, std::uint64_t seen);
    void note_rest(const std::string& model, bool is_there);
    [[nodiscard]] std::set<std::string> resting();
    [[nodiscard]] std::chrono::milliseconds until_something_is_due();

    JobStore& store_;
    const Recordings& recordings_;
    const std::function<Time()> now_;
    Steps steps_;  // set before the threads begin
    mutable Mutex mutex_;
    StoppableCondition news_;
    std::uint64_t wakes_ HOTMIC_GUARDED_BY(mutex_) = 0;
    std::map<std::string, std::shared_ptr<Running>> running_ HOTMIC_GUARDED_BY(mutex_);  // by id
    struct Rest {
        Time until;
        std::chrono::milliseconds length;
    };
    std::map<std::string, Rest> rests_ HOTMIC_GUARDED_BY(mutex_);  // of models, by the name that jobs have for them
    std::vector<std::jthread> threads_;                            // last, and so ended first
};

}  // namespace hotmic::jobs
