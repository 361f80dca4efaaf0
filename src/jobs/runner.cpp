#include "jobs/runner.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <utility>

#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "jobs/job.hpp"
#include "system/mutex.hpp"

namespace hotmic::jobs {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Of a rest, however far the clock is from what is due: it may be set.
constexpr milliseconds kLongestRest = seconds(30);
/// Between attempts to write what a full disk did not take.
constexpr milliseconds kDiskRest = seconds(5);
/// Of a model that was not there; twice as long each time.
constexpr milliseconds kFirstModelRest{250};
constexpr milliseconds kLongestModelRest = seconds(30);
/// Of a job that is tried again.
constexpr milliseconds kJobRest = seconds(10);

}  // namespace

Runner::~Runner() {
    stop();
    threads_.clear();
}

void Runner::start(int threads, Steps steps) {
    steps_ = std::move(steps);
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
}

void Runner::wake() {
    const Lock lock(mutex_);
    ++wakes_;
    news_.notify_all();
}

void Runner::cancel(const std::string& id) {
    std::shared_ptr<Running> found;
    {
        const Lock lock(mutex_);
        if (const auto each = running_.find(id); each != running_.end()) found = each->second;
    }
    if (found) found->stop.request_stop();  // outside the lock: callbacks run here
}

void Runner::stop() {
    for (auto& thread : threads_) thread.request_stop();
}

std::optional<Seconds> Runner::heard(const std::string& id) const {
    const Lock lock(mutex_);
    const auto found = running_.find(id);
    return found == running_.end() ? std::nullopt : std::optional(found->second->heard.load());
}

void Runner::rest(milliseconds longest, const std::stop_token& stop, std::uint64_t seen) {
    Lock lock(mutex_);
    news_.wait_for(lock, stop, std::clamp(longest, milliseconds(1), kLongestRest),
                   [&] HOTMIC_REQUIRES(mutex_) { return wakes_ != seen; });
}

void Runner::work(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        std::uint64_t seen = 0;
        {
            const Lock lock(mutex_);
            seen = wakes_;
        }
        const auto job = store_.claim(now_(), resting());
        if (!job) {
            spdlog::error("no job can be begun code={} message={:?}", hotmic::to_string(job.error().code),
                          job.error().message);
            rest(kDiskRest, stop, seen);
        } else if (*job) {
            run(**job, stop);
        } else {
            rest(until_something_is_due(), stop, seen);
        }
    }
}

milliseconds Runner::until_something_is_due() {
    const auto now = now_();
    auto next = store_.next_due(now).value_or(std::nullopt).value_or(now + kLongestRest);
    const Lock lock(mutex_);
    for (const auto& [model, rest] : rests_) {
        if (rest.until > now) next = std::min(next, rest.until);
    }
    return std::chrono::ceil<milliseconds>(next - now);
}

std::set<std::string> Runner::resting() {
    const auto now = now_();
    std::set<std::string> models;
    const Lock lock(mutex_);
    for (const auto& [model, rest] : rests_) {
        if (rest.until > now) models.insert(model);
    }
    return models;
}

void Runner::note_rest(const std::string& model, bool is_there) {
    const auto now = now_();
    const Lock lock(mutex_);
    if (is_there) {
        rests_.erase(model);
        return;
    }
    auto& rest = rests_[model];
    if (rest.until > now) return;  // another job has noted it
    rest.length = rest.length.count() == 0 ? kFirstModelRest : std::min(2 * rest.length, kLongestModelRest);
    rest.until = now + rest.length;
}

void Runner::run(const Job& job, const std::stop_token& stop) {
    const auto running = std::make_shared<Running>();
    {
        const Lock lock(mutex_);
        running_[job.id] = running;
    }
    spdlog::info("job begun job={} starts={}", job.id, job.starts);
    steps_.changed();
    auto ran = [&] {
        const std::stop_callback ends(stop, [&] { running->stop.request_stop(); });
        // Whoever cancelled it before it was noted here found nobody to tell.
        const auto now = store_.find(job.id);
        if (now && *now && (*now)->cancel_requested) running->stop.request_stop();
        return attempt(job, running);
    }();
    {
        const Lock lock(mutex_);
        running_.erase(job.id);
    }
    settle(job, std::move(ran), stop.stop_requested(), stop);
    steps_.changed();
}

Ran Runner::attempt(const Job& job, const std::shared_ptr<Running>& running) {
    const auto stop = running->stop.get_token();
    if (!job.url.empty() && !job.recording_size) {
        auto fetched = steps_.fetch(job, stop);
        if (!fetched.answer) return fetched;
    }
    auto media = recordings_.open_one(job.id);
    if (!media) return {std::unexpected(std::move(media).error())};
    return steps_.recognize(job, *std::move(media), [running](Seconds heard) { running->heard = heard; }, stop);
}

/// What has become of it, into the store.
void Runner::settle(const Job& job, Ran ran, bool stopping, const std::stop_token& stop) {
    const auto current = store_.find(job.id);
    const bool cancelled = current && *current && (*current)->cancel_requested;
    const bool spent = ran.again == Again::counted && job.starts >= Job::kMostStarts;
    note_rest(job.model, ran.again != Again::model);
    if (!ran.answer && cancelled) {
        ran.answer = fail(ErrorCode::cancelled, "the job was cancelled");
    } else if (!ran.answer && stopping) {
        insist([&] { return store_.give_back(job.id, now_(), false); }, job.id, {});
        spdlog::info("job waits again: the server ends job={}", job.id);
        return;
    } else if (!ran.answer && ran.again != Again::no && !spent) {
        const auto due = ran.again == Again::model ? now_() : now_() + kJobRest;
        insist([&] { return store_.give_back(job.id, due, ran.again == Again::counted); }, job.id, stop);
        spdlog::info("job waits again job={} code={} cause={:?}", job.id, hotmic::to_string(ran.answer.error().code),
                     ran.answer.error().message);
        return;
    }
    insist(
        [&]() -> Result<void> {
            const auto ended = store_.end(job.id, ran.answer, now_());
            if (!ended) return std::unexpected(ended.error());
            recordings_.remove(job.id);
            spdlog::info("job ended job={} status={} code={}", job.id, to_string(ended->status),
                         ended->error ? hotmic::to_string(ended->error->code) : "-");
            return {};
        },
        job.id, stop);
}

/// Until it is written: hours of work are not lost to a disk that is full for a while. A server that ends meanwhile
/// leaves the job running, so it runs again.
void Runner::insist(const std::function<Result<void>()>& write, const std::string& id, const std::stop_token& stop) {
    while (true) {
        const auto written = write();
        if (written || written.error().code == ErrorCode::job_not_found) return;
        spdlog::error("what became of a job cannot be kept yet job={} code={} message={:?}", id,
                      hotmic::to_string(written.error().code), written.error().message);
        if (stop.stop_requested() || !stop.stop_possible()) return;
        std::uint64_t seen = 0;
        {
            const Lock lock(mutex_);
            seen = wakes_;
        }
        rest(kDiskRest, stop, seen);
    }
}

}  // namespace hotmic::jobs
