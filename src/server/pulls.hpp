/// Downloads that operators ask a running server for: jobs of kind "pull", one thread each, few at once.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

#include "config/config.hpp"
#include "hotmic/error.hpp"
#include "hotmic/served_model.hpp"
#include "store/catalogue.hpp"
#include "store/downloads.hpp"
#include "store/pull.hpp"
#include "system/mutex.hpp"

namespace hotmic::server {

/// Any thread.
class Pulls {
public:
    /// So many at once.
    static constexpr std::size_t kMost = 4;

    /// All must outlive this.
    Pulls(const config::Config& config, JobBook& jobs, store::Downloads& downloads)
        : config_(config), jobs_(jobs), downloads_(downloads) {}
    /// Cancels those under way and waits for them.
    ~Pulls();
    Pulls(const Pulls&) = delete;
    Pulls& operator=(const Pulls&) = delete;

    /// A model of the catalogue, or a file by its URL.
    struct What {
        std::string model{};     ///< name; for a URL what it is to be called, empty: as the file
        std::string url{};       ///< empty: from where the catalogue says
        std::string sha256{};    ///< of a URL's file; empty: trusted on first use
        bool trust_new = false;  ///< another digest than the one that was trusted first is taken
    };
    /// The job, at once. While a model is being fetched, asking for it again gives the job that does. Errors:
    /// invalid_request, model_not_found; queue_full where too many run; shutting_down.
    [[nodiscard]] Result<Job> begin(const What& what);
    /// Asks a job under way to stop: it ends as failed, with load_cancelled, and what has come stays for the next one.
    /// `model`: name or alias. Errors: not_found.
    [[nodiscard]] Result<Job> cancel(std::string_view model);
    /// Cancels all; from now on none is begun. Does not wait.
    void stop();

private:
    struct Running {
        std::string job;
        std::jthread thread;
        bool ended = false;
    };
    void run(Job job, const store::Entry& entry, const store::PullSettings& settings, const std::stop_token& stop);
    void sweep() HOTMIC_REQUIRES(mutex_);

    const config::Config& config_;
    JobBook& jobs_;
    store::Downloads& downloads_;
    Mutex mutex_;
    bool stopped_ HOTMIC_GUARDED_BY(mutex_) = false;
    std::map<std::string, Running, std::less<>> running_ HOTMIC_GUARDED_BY(mutex_);  // by name
};

}  // namespace hotmic::server
