#include "server/pulls.hpp"

#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdint>
#include <format>
#include <functional>
#include <map>
#include <stop_token>
#include <string_view>
#include <utility>

#include "config/pull_settings.hpp"
#include "hotmic/error.hpp"
#include "hotmic/served_model.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"
#include "store/catalogue.hpp"
#include "store/library.hpp"
#include "store/pull.hpp"
#include "system/mutex.hpp"
#include "system/start_thread.hpp"

namespace hotmic::server {
namespace {

/// Notes how far a download is: every twentieth of it, since all that is noted is kept.
class Steps {
public:
    Steps(JobBook& jobs, Job& job) : jobs_(jobs), job_(job) {}

    void hear(const store::PullProgress& now) {
        rate_.hear(now);
        const auto step = now.total ? 20 * now.done.count() / now.total.count() : doublings(now.done);
        if (step == told_ && now.from == from_) return;
        told_ = step;
        from_ = now.from;
        job_.step = "downloading from " + now.from;
        job_.download = {
            .done = now.done, .total = now.total, .bytes_per_second = rate_.bytes_per_second(), .eta = rate_.eta()};
        jobs_.update(job_);
    }

private:
    /// Steps of a file whose size nobody tells.
    static std::uint64_t doublings(Bytes size) {
        std::uint64_t count = 0;
        for (; size >= mebibytes(1); size = size / 2) ++count;
        return count;
    }

    JobBook& jobs_;
    Job& job_;
    store::Rate rate_{};
    std::uint64_t told_ = UINT64_MAX;
    std::string from_{};
};

Result<store::Entry> entry_of(const Pulls::What& what, const store::Catalogue& catalogue) {
    if (!what.url.empty()) return store::entry_of_url(what.url, what.model, what.sha256);
    if (what.model.empty())
        return fail(ErrorCode::invalid_request, "neither a model nor a URL is named", R"(send {"model": "base"})",
                    "model");
    if (!what.sha256.empty())
        return fail(ErrorCode::invalid_request, "sha256 is for models that come by URL", "leave it out", "sha256");
    return catalogue.get(what.model);
}

}  // namespace

Pulls::~Pulls() {
    stop();
    std::map<std::string, Running, std::less<>> all;
    {
        const Lock lock(mutex_);
        all.swap(running_);
    }
}

void Pulls::stop() {
    const Lock lock(mutex_);
    stopped_ = true;
    for (auto& [name, each] : running_) each.thread.request_stop();
}

Result<Job> Pulls::begin(const What& what) {
    auto entry = entry_of(what, *config_.known_models);
    if (!entry) return std::unexpected(std::move(entry).error());
    auto settings = config::pull_settings(config_);
    settings.trust_new = what.trust_new;
    const Lock lock(mutex_);
    if (stopped_) return fail(ErrorCode::shutting_down, "the server is shutting down");
    sweep();
    const auto name = entry->name;
    if (const auto found = running_.find(name); found != running_.end()) {
        if (auto job = jobs_.find(found->second.job)) return *std::move(job);
    }
    if (running_.size() >= kMost) {
        return fail(ErrorCode::queue_full, std::format("{} models are being downloaded already", running_.size()),
                    "wait for one of them, or cancel it");
    }
    Job job = jobs_.open("pull", name);
    // The mutex is held, so that the thread finds itself noted when it ends.
    auto thread = system::start_thread([this, job, entry = *std::move(entry), settings = std::move(settings)](
                                           const std::stop_token& stop) { run(job, entry, settings, stop); });
    if (!thread) {
        auto failed = job;
        failed.state = Job::State::failed;
        failed.error = thread.error();
        jobs_.update(failed);
        return std::unexpected(std::move(thread).error());
    }
    running_[name] = {job.id, *std::move(thread)};
    return job;
}

void Pulls::run(Job job, const store::Entry& entry, const store::PullSettings& settings, const std::stop_token& stop) {
    const auto began = Clock::now();
    Steps steps(jobs_, job);
    const auto pulled = downloads_.pull(
        entry, store::Library::of_process(config_.models_dir), settings,
        [&](const store::PullProgress& now) { steps.hear(now); }, stop);
    job.duration = Clock::now() - began;
    if (pulled) {
        job.state = Job::State::succeeded;
        job.step = (pulled->was_here ? "is here already: " : "downloaded: ") + pulled->model.path.string();
        for (const auto& why : pulled->passed_over)
            spdlog::warn("source passed over model={} reason={:?}", entry.name, why);
        for (const auto& file : pulled->first_trust)
            spdlog::warn("nobody vouches for this file; trusted as it came model={} file={:?}", entry.name, file);
        spdlog::info("model pulled job={} model={} was_here={} bytes={} path={}", job.id, entry.name, pulled->was_here,
                     pulled->model.size().count(), pulled->model.path.string());
    } else {
        job.state = Job::State::failed;
        job.error = pulled.error();
        spdlog::warn("pull failed job={} model={} code={} error={:?}", job.id, entry.name,
                     to_string(pulled.error().code), pulled.error().message);
    }
    const Lock lock(mutex_);
    jobs_.update(job);  // not before it can be begun anew
    if (const auto mine = running_.find(entry.name); mine != running_.end()) mine->second.ended = true;
}

Result<Job> Pulls::cancel(std::string_view model) {
    const auto* entry = config_.known_models->find(model);
    const Lock lock(mutex_);
    sweep();
    const auto found = running_.find(entry == nullptr ? model : std::string_view(entry->name));
    if (found != running_.end()) {
        found->second.thread.request_stop();
        if (auto job = jobs_.find(found->second.job)) return *std::move(job);
    }
    return fail(ErrorCode::not_found, std::format("\"{}\" is not being downloaded", model),
                "GET /admin/models/pull lists what is");
}

/// Threads that have ended are joined.
void Pulls::sweep() {
    std::erase_if(running_, [](auto& each) { return each.second.ended; });
}

}  // namespace hotmic::server
