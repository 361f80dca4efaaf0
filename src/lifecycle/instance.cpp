#include "lifecycle/instance.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "asr/keywords.hpp"
#include "hotmic/error.hpp"
#include "hotmic/health.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/state.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "lifecycle/calibration.hpp"
#include "lifecycle/slot_pool.hpp"
#include "system/mutex.hpp"

namespace hotmic {

ModelInstance::ModelInstance(std::string id, std::unique_ptr<Model> model)
    : id_(std::move(id)), info_(model->info()), isolated_(model->isolated()), model_(std::move(model)) {}

Result<void> ModelInstance::open(const SlotPool::Limits& limits, const std::function<void()>& beat) {
    auto* const model = [this] {
        const Lock lock(mutex_);
        return model_.get();  // which lives until `close`
    }();
    auto pool = SlotPool::open(*model, limits, beat);
    if (!pool) return std::unexpected(std::move(pool).error());
    pool_ = *std::move(pool);
    return {};
}

void ModelInstance::begin_serving(double steady_factor, Calibration calibration) {
    pool_->calibrate(std::move(calibration));
    const Lock lock(mutex_);
    serving_ = true;
    last_used_ = Clock::now();
    steady_factor_ = steady_factor;
}

ModelInstance::Served ModelInstance::served() const {
    const Lock lock(mutex_);
    return served_;
}

void ModelInstance::count(const RequestTimings& timings) {
    const Lock lock(mutex_);
    if (!serving_) return;
    const Seconds took = timings.inference;
    served_.mean_inference += (took - served_.mean_inference) / static_cast<double>(++served_.requests);
    if (served_.requests == 1 && steady_factor_ > 0 && timings.audio > Seconds::zero()) {
        served_.first_request_ratio = took / timings.audio / steady_factor_;
    }
}

void ModelInstance::submit(Request request, Completion done) {
    // The request keeps the instance leased until it has been answered.
    const bool background = request.background;
    auto& options = request.options;
    if (!background && options.languages.empty()) {
        if (options.language.empty()) options.language = language_;
        options.languages = languages_;
    }
    if (!background) speak_of(options);
    retain(background);
    pool_->submit(std::move(request), [self = shared_from_this(), background, done = std::move(done)](
                                          Result<Transcript> result, const RequestTimings& timings) {
        if (result && !background) self->count(timings);
        if (!result && !background && result.error().code == ErrorCode::inference_failed && self->on_failure_)
            self->on_failure_();
        done(std::move(result), timings);
        self->release(background);
    });
}

/// What this model is used for, where the request does not say; and what names what is likely to be said, in the form
/// that the engine knows.
void ModelInstance::speak_of(TranscribeOptions& options) const {
    const auto& can = info_.capabilities;
    if (options.hotwords.empty()) options.hotwords = hotwords_;
    if (options.beam_size == 0) options.beam_size = beam_size_;
    if (can.hotwords && !can.prompt && options.hotwords.empty()) options.hotwords = keywords_in(options.prompt);
    if (can.hotwords) return;
    if (can.prompt && options.prompt.empty()) {
        for (const auto& [phrase, boost] : options.hotwords)
            options.prompt += (options.prompt.empty() ? "" : ", ") + phrase;
    }
    options.hotwords.clear();
}

std::optional<Clock::time_point> ModelInstance::idle_since() const {
    const Lock lock(mutex_);
    return leases_ > background_ ? std::nullopt : std::optional(last_used_);
}

QueueStatus ModelInstance::queue() const {
    return pool_->status();
}

std::vector<std::uint64_t> ModelInstance::casualties() {
    return pool_->casualties();
}

Bytes ModelInstance::resident() const {
    const Lock lock(mutex_);
    return model_ ? model_->resident() : Bytes();
}

void ModelInstance::stop_yielding() noexcept {
    const Lock lock(mutex_);
    if (model_) model_->stop_yielding();
}

void ModelInstance::terminate() noexcept {
    const Lock lock(mutex_);
    if (model_) model_->terminate();
}

void ModelInstance::hurry(Deadline drained_by) {
    const Lock lock(mutex_);
    drained_by_ = std::min(drained_by_, drained_by);
    unleased_.notify_all();
}

ModelInstance::Closing ModelInstance::close(Deadline drained_by, std::chrono::milliseconds grace, Error why) {
    hurry(drained_by);
    {
        Lock lock(mutex_);
        while (leases_ > 0 && Clock::now() < drained_by_) unleased_.wait_until(lock, drained_by_);
    }
    Closing closing;
    closing.cancelled = pool_->cancel_all(std::move(why));
    if (!pool_->wait_idle(deadline_in(grace))) {
        closing.terminated = true;
        terminate();
        (void)pool_->wait_idle(Deadline::max());  // an in-process engine ends when it looks at its stop token
    }
    pool_->join();  // destroys the recognizers, which must be gone before the model

    Lock lock(mutex_);
    const auto model = std::move(model_);
    lock.unlock();  // destroying the model may take a while
    return closing;
}

void ModelInstance::retain(bool background) {
    const Lock lock(mutex_);
    ++leases_;
    background_ += background ? 1 : 0;
}

void ModelInstance::release(bool background) {
    const Lock lock(mutex_);
    background_ -= background ? 1 : 0;
    if (!background) last_used_ = Clock::now();
    if (--leases_ == 0) unleased_.notify_all();
}

Lease::Lease(std::shared_ptr<ModelInstance> instance) : instance_(std::move(instance)) {
    instance_->retain();
}

Lease& Lease::operator=(Lease&& other) noexcept {
    Lease old(std::move(*this));
    instance_ = std::move(other.instance_);
    return *this;
}

Lease::~Lease() {
    if (instance_) instance_->release();
}

void Lease::submit(Request request, Completion done) const {
    instance_->submit(std::move(request), std::move(done));
}

Result<Transcript> Lease::transcribe(Request request, RequestTimings* timings) const {
    // Shared with the slot's thread, which may still be inside set_value when the answer is taken here.
    const auto answered = std::make_shared<std::promise<Result<Transcript>>>();
    submit(std::move(request), [answered, timings](Result<Transcript> result, const RequestTimings& measured) {
        if (timings != nullptr) *timings = measured;
        answered->set_value(std::move(result));
    });
    return answered->get_future().get();
}

const std::string& Lease::instance_id() const noexcept {
    return instance_->id();
}
const ModelInfo& Lease::model() const noexcept {
    return instance_->info();
}

}  // namespace hotmic
