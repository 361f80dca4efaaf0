// The sweeper of a SlotPool: what waits or runs too long.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <format>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/state.hpp"
#include "lifecycle/slot_job.hpp"
#include "lifecycle/slot_pool.hpp"
#include "system/mutex.hpp"

namespace hotmic {

using std::chrono::milliseconds;

void SlotPool::sweep(std::stop_token closing) {
    Lock lock(mutex_);
    while (!closing.stop_requested()) {
        sweeps_.wait_until(lock, closing, next_sweep(),
                           [this] HOTMIC_REQUIRES(mutex_) { return std::exchange(sweep_asked_, false); });
        const auto now = Clock::now();
        stop_late(now);
        if (auto stuck = find_stuck(now)) {
            lock.unlock();
            limits_.on_stuck(*stuck);
            lock.lock();
        }
        auto ended = take_ended(now);
        if (ended.empty()) continue;
        lock.unlock();
        for (const auto& job : ended) {
            job->timings.queued += now - job->waits_since;
            finish(*job, std::unexpected(job->stopped_as.value_or(
                             Error{ErrorCode::cancelled, "the request was cancelled while it waited for a slot"})));
        }
        ended.clear();  // not under the lock, which their stop callbacks take
        lock.lock();
    }
}

/// Asks those to stop that have run for as long as they may.
void SlotPool::stop_late(Clock::time_point now) {
    for (const auto& job : running_) {
        if (job == nullptr || now < ends_by(*job) || job->stop.stop_requested()) continue;
        job->stopped_as = Error{ErrorCode::request_timeout,
                                std::format("it took longer than {} ms for {:.1f} s of audio", allowance(*job).count(),
                                            job->work->read().count()),
                                "send shorter audio, or raise request_timeout_ms or request_timeout_factor"};
        job->stop.request_stop();
    }
}

/// An engine that hangs, or does not stop when it is asked to. Told once: there is no use in it any more.
std::optional<Error> SlotPool::find_stuck(Clock::time_point now) {
    if (stuck_told_ || !limits_.on_stuck) return std::nullopt;
    std::optional<Error> stuck;
    for (std::size_t slot = 0; slot < running_.size(); ++slot) {
        const auto& job = running_[slot];
        if (job == nullptr) continue;
        if (now >= ends_by(*job) + limits_.cancel_grace) {
            stuck = Error{
                ErrorCode::worker_hung,
                std::format("an inference ran on for {} ms after it was asked to stop", limits_.cancel_grace.count()),
                "it is being loaded again"};
        } else if (const auto& inference = inferring_[slot]; inference && now >= hangs_at(*inference)) {
            stuck = Error{ErrorCode::worker_hung,
                          std::format("an inference of {:.1f} s of audio has run for {:.1f} s; {:.2f} s are usual here",
                                      inference->audio.count(), Seconds(now - inference->began).count(),
                                      calibration_.expected(inference->audio).count()),
                          "it is being loaded again"};
            note_casualty(*job);
            if (!job->stopped_as)
                job->stopped_as = Error{ErrorCode::model_lost, stuck->message, "send the request again"};
            job->stop.request_stop();
        }
    }
    stuck_told_ = stuck.has_value();
    return stuck;
}

/// What waits no longer: its caller is gone, or it found no slot in time. Audio of which a part has been recognized has
/// had its turn, and gets another.
std::vector<std::shared_ptr<SlotPool::Job>> SlotPool::take_ended(Clock::time_point now) {
    std::vector<std::shared_ptr<Job>> ended;
    std::erase_if(waiting_, [&](const std::shared_ptr<Job>& job) {
        const bool stopped = job->stop.stop_requested();
        const bool expired = waits_for_first(*job) && now >= job->waits_since + limits_.queue_timeout;
        if (!stopped && !expired) return false;
        if (!stopped) {
            job->stopped_as = Error{ErrorCode::queue_timeout,
                                    std::format("no slot became free within {} ms", limits_.queue_timeout.count()),
                                    "try again later, or raise slots or queue_timeout_ms"};
        }
        ended.push_back(job);
        return true;
    });
    return ended;
}

bool SlotPool::waits_for_first(const Job& job) {
    return job.started == Clock::time_point{};
}

/// How long it may take: longer with every piece of audio that is read or given to the engine, and not with what a file
/// says of its length.
milliseconds SlotPool::allowance(const Job& job) const {
    const auto audio = std::max(job.audio_begun, job.work->read());
    return limits_.request_timeout + std::chrono::ceil<milliseconds>(limits_.request_timeout_factor * audio);
}

/// When its inferences will have taken as long as they may, those on other slots included.
Clock::time_point SlotPool::ends_by(const Job& job) const {
    return job.started + allowance(job) - std::chrono::duration_cast<Clock::duration>(job.timings.inference);
}

Clock::time_point SlotPool::hangs_at(const Inference& inference) const {
    if (limits_.hang_factor <= 0 || calibration_.empty()) return Clock::time_point::max();
    const auto usual = std::chrono::ceil<milliseconds>(limits_.hang_factor * calibration_.expected(inference.audio));
    return inference.began + std::max(limits_.hang_least, usual);
}

Clock::time_point SlotPool::next_sweep() const {
    auto next = Clock::now() + std::chrono::hours(1);
    for (const auto& job : waiting_) {
        if (waits_for_first(*job)) next = std::min(next, job->waits_since + limits_.queue_timeout);
    }
    for (std::size_t slot = 0; slot < running_.size(); ++slot) {
        const auto& job = running_[slot];
        if (job == nullptr) continue;
        const auto limit = ends_by(*job);
        if (!job->stop.stop_requested()) next = std::min(next, limit);
        if (!limits_.on_stuck || stuck_told_) continue;
        next = std::min(next, limit + limits_.cancel_grace);
        if (inferring_[slot]) next = std::min(next, hangs_at(*inferring_[slot]));
    }
    return next;
}

}  // namespace hotmic
