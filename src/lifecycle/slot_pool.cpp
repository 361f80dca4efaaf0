#include "lifecycle/slot_pool.hpp"

#include <algorithm>
#include <atomic>
#include <format>
#include <future>
#include <ranges>
#include <utility>

#include "asr/long_audio.hpp"

namespace hotmic {

struct SlotPool::Job {
    Request request;
    Completion done;
    Clock::time_point submitted{};
    Clock::time_point waits_since{};
    Clock::time_point wanted_by{};
    Clock::time_point started{};          // on the slot it has now
    RequestTimings timings{};             // of the slots it had before
    std::optional<double> audio_total{};  // seconds
    std::atomic<double> audio_done{0};
    std::optional<LongTranscription> work{};
    std::stop_source stop{};            // what the recognizer looks at
    std::optional<Error> stopped_as{};  // why, when it was not the caller; guarded by the pool's mutex
    std::optional<std::stop_callback<std::function<void()>>> caller_stopped{};
};

Result<std::unique_ptr<SlotPool>> SlotPool::open(Model& model, const Limits& limits,
                                                 const std::function<void()>& beat) {
    const int slots = model.info().slots;
    std::unique_ptr<SlotPool> pool(new SlotPool(slots, limits));

    std::vector<std::future<std::optional<Error>>> made;
    for (int slot = 0; slot < slots; ++slot) {
        std::promise<std::optional<Error>> promise;
        made.push_back(promise.get_future());
        pool->threads_.emplace_back(
            [&model, slot, pool = pool.get(), promise = std::move(promise)](std::stop_token closing) mutable {
                auto recognizer = model.make_recognizer();
                if (!recognizer) return promise.set_value(std::move(recognizer).error());
                promise.set_value(std::nullopt);
                pool->serve(slot, **recognizer, std::move(closing));
            });
    }
    std::optional<Error> failure;
    for (auto& slot : made) {
        if (auto error = slot.get(); error && !failure) failure = std::move(error);
        if (beat) beat();
    }
    if (failure) return std::unexpected(*std::move(failure));
    pool->threads_.emplace_back([pool = pool.get()](std::stop_token closing) { pool->sweep(std::move(closing)); });
    return pool;
}

SlotPool::SlotPool(int slots, const Limits& limits)
    : limits_(limits), slots_(slots), running_(static_cast<std::size_t>(slots)), heard_(running_.size()) {}

SlotPool::~SlotPool() {
    cancel_all(Error{ErrorCode::model_unloaded, "the model was unloaded"});
    // The sweeper answers what still waits, so it must be running until nothing does.
    if (std::ssize(threads_) > slots_) (void)wait_idle(Deadline::max());
    join();
}

void SlotPool::join() {
    for (auto& thread : threads_) thread.request_stop();
    threads_.clear();
}

void SlotPool::submit(Request request, Completion done) {
    auto job = std::make_shared<Job>();
    job->request = std::move(request);
    job->audio_total = job->request.audio->duration_hint();
    job->done = std::move(done);
    job->submitted = job->waits_since = Clock::now();
    job->wanted_by = job->request.wanted_by.value_or(job->submitted + Request::kPatience);

    std::optional<Error> refusal;
    {
        const std::scoped_lock lock(mutex_);
        if (closed_) {
            refusal = closed_;
        } else if (job->request.stop.stop_requested()) {
            refusal = Error{ErrorCode::cancelled, "the request was cancelled before it began"};
        } else if (const auto busy =
                       std::ranges::count_if(running_, [](const auto& running) { return running != nullptr; });
                   waiting_.size() >= limits_.max_waiting && busy == slots_) {
            const double wait = mean_service_ms_ * static_cast<double>(waiting_.size()) / slots_ / 1000;
            refusal = Error{ErrorCode::queue_full,
                            std::format("{} requests wait for {} slot{} already (limit {}, about {:.0f} s)",
                                        waiting_.size(), slots_, slots_ == 1 ? "" : "s", limits_.max_waiting, wait),
                            "try again later, or raise max_waiting or slots"};
        } else {
            enqueue(job);
            ++open_jobs_;
            if (!job->request.background) clear_way();
        }
    }
    if (refusal) return job->done(std::unexpected(*std::move(refusal)), job->timings);

    // Outside the lock: the callback runs at once when the caller has stopped in the meantime.
    job->caller_stopped.emplace(job->request.stop, [this, source = job->stop]() mutable {
        source.request_stop();
        const std::scoped_lock lock(mutex_);
        ask_sweep();
    });
    const std::scoped_lock lock(mutex_);
    work_.notify_all();
    ask_sweep();
}

int SlotPool::cancel_all(Error why) {
    const std::scoped_lock lock(mutex_);
    if (!closed_) closed_ = why;
    int concerned = 0;
    const auto stop = [&](const std::shared_ptr<Job>& job) {
        if (job == nullptr) return;
        if (!job->stopped_as) job->stopped_as = why;
        job->stop.request_stop();
        ++concerned;
    };
    std::ranges::for_each(waiting_, stop);
    std::ranges::for_each(running_, stop);
    ask_sweep();
    return concerned;
}

bool SlotPool::wait_idle(Deadline deadline) {
    std::unique_lock lock(mutex_);
    return idle_.wait_until(lock, deadline, [this] { return open_jobs_ == 0; });
}

QueueStatus SlotPool::status() const {
    const std::scoped_lock lock(mutex_);
    QueueStatus status{.slots = slots_,
                       .waiting = waiting_.size(),
                       .max_waiting = limits_.max_waiting,
                       .mean_service_ms = mean_service_ms_};
    const auto now = Clock::now();
    for (const auto& job : running_) {
        SlotActivity activity;
        if (job) {
            ++status.busy;
            activity = {job->request.id, std::chrono::duration<double, std::milli>(now - job->started).count(),
                        job->request.background, job->audio_done, job->audio_total};
            if (activity.request.empty()) activity.request = "-";
        }
        status.activity.push_back(std::move(activity));
    }
    return status;
}

std::shared_ptr<SlotPool::Job> SlotPool::take_for(int slot) {
    const auto mine = std::ranges::find_if(
        waiting_, [&](const auto& job) { return !job->stop.stop_requested() && is_for(*job, slot); });
    if (mine == waiting_.end()) return nullptr;
    auto job = *mine;
    waiting_.erase(mine);
    job->started = Clock::now();
    job->timings.queued += job->started - job->waits_since;
    job->timings.slot = slot;
    running_[static_cast<std::size_t>(slot)] = job;
    const auto& request = job->request;
    if (request.utterance != 0) std::ranges::replace(heard_, request.utterance, std::uint64_t{0});
    heard_[static_cast<std::size_t>(slot)] = request.options.growing ? request.utterance : 0;
    // What was left to this slot, because it fitted best, is anybody's now.
    if (!waiting_.empty()) work_.notify_all();
    return job;
}

bool SlotPool::is_for(const Job& job, int slot) const {
    const auto& request = job.request;
    if (request.slot) return *request.slot == slot;
    // Best one that can go on with it, last one that another utterance could go on with.
    const auto fit = [&](std::size_t at) { return heard_[at] == 0 ? 1 : heard_[at] == request.utterance ? 2 : 0; };
    const auto own = fit(static_cast<std::size_t>(slot));
    return std::ranges::none_of(std::views::iota(std::size_t{0}, running_.size()),
                                [&](std::size_t at) { return running_[at] == nullptr && fit(at) > own; });
}

void SlotPool::serve(int slot, Recognizer& recognizer, std::stop_token closing) {
    std::shared_ptr<Job> job;
    std::unique_lock lock(mutex_);
    while (work_.wait(lock, closing, [&] { return (job = take_for(slot)) != nullptr; })) {
        ask_sweep();  // the request's own time limit runs from here
        lock.unlock();
        while (!run(slot, recognizer, job) && !give_way(slot, job)) {
        }
        job.reset();
        lock.lock();
    }
}

/// Recognizes one window. True when that ended the request.
bool SlotPool::run(int slot, Recognizer& recognizer, const std::shared_ptr<Job>& job) {
    if (!job->work) {
        auto& request = job->request;
        job->work.emplace(*request.audio, request.options, request.on_segment, std::move(request.cutter));
    }
    const auto last = job->work->step(recognizer, job->stop.get_token());
    job->audio_done = job->work->done_seconds();
    if (last && !*last) return false;
    auto result = last ? Result<Transcript>(job->work->take()) : std::unexpected(last.error());
    {
        const std::scoped_lock lock(mutex_);
        running_[static_cast<std::size_t>(slot)] = nullptr;
        job->timings.inference += Clock::now() - job->started;
        job->timings.audio_seconds = job->work->seconds();
        const double ms = std::chrono::duration<double, std::milli>(job->timings.inference).count();
        mean_service_ms_ = mean_service_ms_ == 0 ? ms : 0.8 * mean_service_ms_ + 0.2 * ms;
        // An engine that had to be ended for not stopping is lost; what its request is told is why it had to stop.
        const bool stopped = !result && (result.error().code == ErrorCode::cancelled ||
                                         (result.error().code == ErrorCode::model_lost && stuck_told_));
        if (stopped && job->stopped_as) result = std::unexpected(*job->stopped_as);
    }
    finish(*job, std::move(result));
    return true;
}

/// Between two windows: true when somebody more urgent has the slot now, and the rest of this waits.
bool SlotPool::give_way(int slot, const std::shared_ptr<Job>& job) {
    const std::scoped_lock lock(mutex_);
    const auto now = Clock::now();
    const auto wanted_by = now + Request::kPatience;
    const bool somebody = std::ranges::any_of(waiting_, [&](const auto& other) {
        return !other->stop.stop_requested() && !other->request.background && other->wanted_by < wanted_by &&
               is_for(*other, slot);
    });
    if (!somebody || job->stop.stop_requested()) return false;
    running_[static_cast<std::size_t>(slot)] = nullptr;
    job->timings.inference += now - job->started;
    job->wanted_by = wanted_by;
    job->waits_since = now;
    enqueue(job);
    work_.notify_all();
    return true;
}

void SlotPool::enqueue(std::shared_ptr<Job> job) {
    const auto behind = std::ranges::upper_bound(waiting_, job->wanted_by, {}, &Job::wanted_by);
    waiting_.insert(behind, std::move(job));
}

void SlotPool::sweep(std::stop_token closing) {
    std::unique_lock lock(mutex_);
    while (!closing.stop_requested()) {
        sweeps_.wait_until(lock, closing, next_sweep(), [this] { return std::exchange(sweep_asked_, false); });

        const auto now = Clock::now();
        for (const auto& job : running_) {
            if (job == nullptr || now < ends_by(*job) || job->stop.stop_requested()) continue;
            job->stopped_as =
                Error{ErrorCode::request_timeout,
                      std::format("the inference took longer than {} ms", limits_.request_timeout.count()),
                      "send shorter audio, or raise request_timeout_ms"};
            job->stop.request_stop();
        }
        const bool stuck =
            std::ranges::any_of(running_, [&](const auto& job) { return job != nullptr && is_stuck(*job, now); });
        if (stuck && limits_.on_stuck && !std::exchange(stuck_told_, true)) {
            lock.unlock();
            limits_.on_stuck(
                {ErrorCode::worker_hung,
                 std::format("an inference ran on for {} ms after it was asked to stop", limits_.cancel_grace.count()),
                 "it is being loaded again"});
            lock.lock();
        }
        std::vector<std::shared_ptr<Job>> ended;
        std::erase_if(waiting_, [&](const std::shared_ptr<Job>& job) {
            const bool stopped = job->stop.stop_requested();
            const bool expired = now >= job->waits_since + limits_.queue_timeout;
            if (!stopped && !expired) return false;
            if (!stopped) {
                job->stopped_as = Error{ErrorCode::queue_timeout,
                                        std::format("no slot became free within {} ms", limits_.queue_timeout.count()),
                                        "try again later, or raise slots or queue_timeout_ms"};
            }
            ended.push_back(job);
            return true;
        });
        if (ended.empty()) continue;
        lock.unlock();
        for (const auto& job : ended) {
            job->timings.queued += now - job->waits_since;
            finish(*job, std::unexpected(job->stopped_as.value_or(
                             Error{ErrorCode::cancelled, "the request was cancelled while it waited for a slot"})));
        }
        ended.clear();
        lock.lock();
    }
}

/// When its inference will have taken as long as it may, what it had on other slots included.
Clock::time_point SlotPool::ends_by(const Job& job) const {
    return job.started + limits_.request_timeout - std::chrono::duration_cast<Clock::duration>(job.timings.inference);
}

bool SlotPool::is_stuck(const Job& job, Clock::time_point now) const {
    return now >= ends_by(job) + limits_.cancel_grace;
}

/// Background work gives up its slot when nobody else can.
void SlotPool::clear_way() {
    if (std::ranges::contains(running_, nullptr)) return;
    const auto giving = std::ranges::find_if(
        running_, [](const auto& job) { return job->request.background && !job->stop.stop_requested(); });
    if (giving == running_.end()) return;
    (*giving)->stopped_as = Error{ErrorCode::cancelled, "it made way for a request"};
    (*giving)->stop.request_stop();
}

void SlotPool::ask_sweep() {
    sweep_asked_ = true;
    sweeps_.notify_one();
}

Clock::time_point SlotPool::next_sweep() const {
    auto next = Clock::now() + std::chrono::hours(1);
    for (const auto& job : waiting_) next = std::min(next, job->waits_since + limits_.queue_timeout);
    for (const auto& job : running_) {
        if (job == nullptr) continue;
        const auto limit = ends_by(*job);
        if (!job->stop.stop_requested()) next = std::min(next, limit);
        if (limits_.on_stuck && !stuck_told_) next = std::min(next, limit + limits_.cancel_grace);
    }
    return next;
}

void SlotPool::finish(Job& job, Result<Transcript> result) {
    job.done(std::move(result), job.timings);
    const std::scoped_lock lock(mutex_);
    if (--open_jobs_ == 0) idle_.notify_all();
}

}  // namespace hotmic
