#include "lifecycle/slot_pool.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <format>
#include <functional>
#include <future>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <stop_token>
#include <utility>
#include <vector>

#include "asr/limits.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/health.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/state.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "lifecycle/calibration.hpp"
#include "lifecycle/quarantine.hpp"
#include "lifecycle/slot_job.hpp"
#include "system/mutex.hpp"

namespace hotmic {

/// A slot's recognizer, each of whose inferences is watched while it runs.
class SlotPool::Watched final : public Recognizer {
public:
    Watched(SlotPool& pool, int slot, Recognizer& inner) : pool_(pool), slot_(slot), inner_(inner) {}

    Result<Transcript> transcribe(AudioView audio, const TranscribeOptions& options, const SegmentSink& sink,
                                  std::stop_token stop) override {
        pool_.begin_inference(slot_, seconds_of(audio.size()));
        auto result = inner_.transcribe(audio, options, sink, std::move(stop));
        pool_.end_inference(slot_, result ? std::nullopt : std::optional(result.error().code));
        return result;
    }

private:
    SlotPool& pool_;
    const int slot_;
    Recognizer& inner_;
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
                Watched watched(*pool, slot, **recognizer);
                pool->serve(slot, watched, std::move(closing));
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
    : limits_(limits),
      slots_(slots),
      running_(static_cast<std::size_t>(slots)),
      inferring_(running_.size()),
      heard_(running_.size()) {}

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
    if (auto sizes = check_sizes(job->request.options); !sizes) {
        refusal = std::move(sizes).error();
    } else if (limits_.quarantine) {
        if (const auto wait = limits_.quarantine->refused_for(job->request.fingerprint, job->submitted))
            refusal = poison(wait);
        job->suspect = limits_.quarantine->deaths(job->request.fingerprint, job->submitted) > 0;
    }
    if (!refusal) {
        const Lock lock(mutex_);
        if (closed_) {
            refusal = closed_;
        } else if (job->request.stop.stop_requested()) {
            refusal = Error{ErrorCode::cancelled, "the request was cancelled before it began"};
        } else if (waiting_.size() >= limits_.max_waiting &&
                   std::ranges::all_of(std::views::iota(0, slots_),
                                       [&](int slot) HOTMIC_REQUIRES(mutex_) { return has_its_own(slot); })) {
            const auto wait = mean_service_ * static_cast<double>(waiting_.size()) / slots_;
            refusal =
                Error{ErrorCode::queue_full,
                      std::format("{} requests wait for {} slot{} already (limit {}, about {:.0f} s)", waiting_.size(),
                                  slots_, slots_ == 1 ? "" : "s", limits_.max_waiting, wait.count()),
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
        const Lock lock(mutex_);
        ask_sweep();
    });
    const Lock lock(mutex_);
    work_.notify_all();
    ask_sweep();
}

int SlotPool::cancel_all(Error why) {
    const Lock lock(mutex_);
    if (!closed_) closed_ = why;
    int concerned = 0;
    const auto stop = [&](const std::shared_ptr<Job>& job) {
        if (job == nullptr) return;
        if (!job->stopped_as) job->stopped_as = why;
        job->stop.request_stop();
        ++concerned;
    };
    std::ranges::for_each(waiting_, stop);
    for (std::size_t slot = 0; slot < running_.size(); ++slot) {
        if (has_its_own(static_cast<int>(slot))) stop(running_[slot]);
    }
    ask_sweep();
    return concerned;
}

bool SlotPool::wait_idle(Deadline deadline) {
    Lock lock(mutex_);
    return idle_.wait_until(lock, deadline, [this] HOTMIC_REQUIRES(mutex_) { return open_jobs_ == 0; });
}

QueueStatus SlotPool::status() const {
    const Lock lock(mutex_);
    QueueStatus status{
        .slots = slots_, .waiting = waiting_.size(), .max_waiting = limits_.max_waiting, .mean_service = mean_service_};
    const auto now = Clock::now();
    for (const auto& job : running_) {
        SlotActivity activity;
        if (job) {
            ++status.busy;
            activity = {job->request.id, now - job->started, job->request.background, job->audio_done.load(),
                        job->audio_total};
            if (activity.request.empty()) activity.request = "-";
        }
        status.activity.push_back(std::move(activity));
    }
    return status;
}

std::shared_ptr<SlotPool::Job> SlotPool::take_for(int slot) {
    // If a model dies again, there must be no doubt under which suspect.
    const bool tested = std::ranges::any_of(running_, [](const auto& job) { return job != nullptr && job->suspect; });
    const auto mine = std::ranges::find_if(waiting_, [&](const auto& job) HOTMIC_REQUIRES(mutex_) {
        return !job->stop.stop_requested() && !(job->suspect && tested) && is_for(*job, slot);
    });
    if (mine == waiting_.end()) return nullptr;
    auto job = *mine;
    waiting_.erase(mine);
    job->started = Clock::now();
    job->timings.queued += job->started - job->waits_since;
    job->timings.slot = slot;
    running_[static_cast<std::size_t>(slot)] = job;
    auto& request = job->request;
    if (!job->work) job->work.emplace(*request.audio, request.options, request.on_segment, std::move(request.cutter));
    const auto& step = request.options.step;
    if (step.stream != 0) std::ranges::replace(heard_, step.stream, std::uint64_t{0});
    heard_[static_cast<std::size_t>(slot)] = step.last ? 0 : step.stream;
    // What was left to this slot, because it fitted best, is anybody's now.
    if (!waiting_.empty()) work_.notify_all();
    return job;
}

bool SlotPool::is_for(const Job& job, int slot) const {
    const auto& request = job.request;
    if (request.slot) return *request.slot == slot;
    // Best one that can go on with it, last one that another stream could go on with.
    const auto stream = request.options.step.stream;
    const auto fit = [&](std::size_t at) HOTMIC_REQUIRES(mutex_) {
        return heard_[at] == 0 ? 1 : heard_[at] == stream ? 2 : 0;
    };
    const auto own = fit(static_cast<std::size_t>(slot));
    return std::ranges::none_of(std::views::iota(std::size_t{0}, running_.size()),
                                [&](std::size_t at)
                                    HOTMIC_REQUIRES(mutex_) { return running_[at] == nullptr && fit(at) > own; });
}

void SlotPool::serve(int slot, Recognizer& recognizer, std::stop_token closing) {
    std::shared_ptr<Job> job;
    std::shared_ptr<Job> other;
    const auto has_work = [&] HOTMIC_REQUIRES(mutex_) {
        job = take_for(slot);
        other = job == nullptr ? find_to_help() : nullptr;
        return job != nullptr || other != nullptr;
    };
    Lock lock(mutex_);
    while (work_.wait(lock, closing, has_work)) {
        if (other != nullptr) {
            help(slot, recognizer, other);
            lock.unlock();
            other.reset();  // not under the lock, which its stop callback takes
            lock.lock();
            continue;
        }
        ask_sweep();  // the request's own time limit runs from here
        lock.unlock();
        while (!run(slot, recognizer, job) && !give_way(slot, job)) {
        }
        job.reset();
        lock.lock();
    }
}

/// A long recording on another slot that has a window to spare.
std::shared_ptr<SlotPool::Job> SlotPool::find_to_help() const {
    constexpr Seconds kLong(10);  // shorter ones are one window, most of the time
    const auto found = std::ranges::find_if(running_, [&](const auto& job) {
        return job != nullptr && !job->request.slot && job->request.options.step.stream == 0 &&
               job->audio_total.value_or(kLong) >= kLong && job->work->wants_help() && !job->stop.stop_requested();
    });
    return found == running_.end() ? nullptr : *found;
}

/// Recognizes one of its windows; the next may be somebody else's.
void SlotPool::help(int slot, Recognizer& recognizer, const std::shared_ptr<Job>& job) {
    const auto index = static_cast<std::size_t>(slot);
    running_[index] = job;
    heard_[index] = 0;
    {
        const Unlock meanwhile(mutex_);
        job->work->help(recognizer, job->stop.get_token());
        job->audio_done = job->work->done();
    }
    running_[index] = nullptr;
    if (std::ssize(waiting_) > 0) work_.notify_all();
}

/// The slot has a request, and does not only help with another slot's.
bool SlotPool::has_its_own(int slot) const {
    const auto& job = running_[static_cast<std::size_t>(slot)];
    return job != nullptr && job->timings.slot == slot;
}

/// Another slot than its own has a window of it.
bool SlotPool::is_helped(const Job& job) const {
    return std::ranges::count_if(running_, [&](const auto& each) { return each.get() == &job; }) > 1;
}

/// Recognizes one window. True when that ended the request.
bool SlotPool::run(int slot, Recognizer& recognizer, const std::shared_ptr<Job>& job) {
    const auto last = job->work->step(recognizer, job->stop.get_token());
    job->audio_done = job->work->done();
    if (last && !*last) return false;
    auto result = last ? Result<Transcript>(job->work->take()) : std::unexpected(last.error());
    {
        const Lock lock(mutex_);
        running_[static_cast<std::size_t>(slot)] = nullptr;
        job->timings.inference += Clock::now() - job->started;
        job->timings.audio = job->work->read();
        const Seconds took = job->timings.inference;
        mean_service_ = mean_service_ == Seconds::zero() ? took : 0.8 * mean_service_ + 0.2 * took;
        // An engine that had to be ended for not stopping is lost; what its request is told is why it had to stop.
        const bool died = !result && result.error().code == ErrorCode::model_lost;
        const bool stopped = died || (!result && result.error().code == ErrorCode::cancelled);
        if (stopped && job->stopped_as) result = std::unexpected(*job->stopped_as);
        job->timings.died_under_it = job->casualty && !result && result.error().code == ErrorCode::model_lost;
        if (result && limits_.quarantine) limits_.quarantine->acquit(job->request.fingerprint);
        if (job->suspect) work_.notify_all();
    }
    finish(*job, std::move(result));
    return true;
}

/// What an engine was working on when it died may be why it did: decided once, so that a request is
/// told what the quarantine is. One that hung explains a death by itself.
void SlotPool::note_loss() {
    if (std::exchange(lost_, true) || stuck_told_) return;
    for (std::size_t slot = 0; slot < running_.size(); ++slot) {
        if (inferring_[slot]) note_casualty(*running_[slot]);
    }
}

void SlotPool::note_casualty(Job& job) {
    job.casualty = true;
    casualties_.push_back(job.request.fingerprint);
}

std::vector<std::uint64_t> SlotPool::casualties() {
    const Lock lock(mutex_);
    note_loss();
    return casualties_;
}

void SlotPool::calibrate(Calibration calibration) {
    const Lock lock(mutex_);
    calibration_ = std::move(calibration);
    learns_ = calibration_.empty();
}

void SlotPool::begin_inference(int slot, Seconds audio) {
    const Lock lock(mutex_);
    inferring_[static_cast<std::size_t>(slot)] = Inference{Clock::now(), audio};
    const auto& job = running_[static_cast<std::size_t>(slot)];
    job->audio_begun += audio;
    if (job->work->wants_help()) work_.notify_all();
    ask_sweep();
}

void SlotPool::end_inference(int slot, std::optional<ErrorCode> failure) {
    const Lock lock(mutex_);
    if (failure == ErrorCode::model_lost) note_loss();
    const auto ended = std::exchange(inferring_[static_cast<std::size_t>(slot)], std::nullopt);
    if (failure || !learns_) return;
    calibration_.note(ended->audio, Clock::now() - ended->began);
}

/// Between two windows: true when somebody more urgent has the slot now, and the rest of this waits.
bool SlotPool::give_way(int slot, const std::shared_ptr<Job>& job) {
    const Lock lock(mutex_);
    const auto now = Clock::now();
    const bool whenever = job->request.wanted_by == Request::kWhenever;
    const auto wanted_by = whenever ? Request::kWhenever : now + Request::kPatience;
    const bool somebody = std::ranges::any_of(waiting_, [&](const auto& other) HOTMIC_REQUIRES(mutex_) {
        return !other->stop.stop_requested() && !other->request.background && other->wanted_by < wanted_by &&
               is_for(*other, slot);
    });
    // Those that help leave after their window, and make room.
    if (!somebody || job->stop.stop_requested() || is_helped(*job)) return false;
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

void SlotPool::finish(Job& job, Result<Transcript> result) {
    job.done(std::move(result), job.timings);
    const Lock lock(mutex_);
    if (--open_jobs_ == 0) idle_.notify_all();
}

}  // namespace hotmic
