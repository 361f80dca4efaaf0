#include "server/recognition.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "live/voice_cutter.hpp"
#include "server/responses.hpp"

namespace hotmic::server {
namespace {

double seconds(std::chrono::nanoseconds duration) {
    return std::chrono::duration<double>(duration).count();
}

/// Seconds until the queue has moved by about one place.
int busy_retry(const QueueStatus& queue) {
    const double wait =
        queue.mean_service_ms * static_cast<double>(queue.waiting + 1) / std::max(1, queue.slots) / 1000;
    return static_cast<int>(std::clamp(wait, 1.0, 600.0));
}

}  // namespace

void Recognition::begin(Context& context, const drogon::HttpRequestPtr& request, Order order, Done done) {
    std::shared_ptr<Recognition>(new Recognition(context, request, std::move(order), std::move(done)))->find_model();
}

void Recognition::find_model() {
    auto asked = context_.catalog.find(order_.model);
    if (!asked) return done_({std::unexpected(std::move(asked).error())});
    asked_ = *std::move(asked);
    server_ = context_.catalog.serving(asked_);
    auto lease = model().acquire();
    const bool wakes = !lease && model().health().resting;
    if (!lease && !wakes) {
        const auto retry = retry_after(model().health());
        return done_({std::unexpected(std::move(lease).error()), server_->name, retry});
    }
    auto share = context_.clients.admit(request_->peerAddr().toIp(), Clients::What::request);
    if (!share)
        return done_({std::unexpected(std::move(share).error()), server_->name, busy_retry(model().health().queue)});
    share_ = *std::move(share);
    ticket_.emplace(context_.in_flight, request_);
    context_.metrics.in_flight(+1);
    if (wakes) return await_model();
    lease_ = *std::move(lease);
    enqueue();
}

/// Goes on as soon as the model is ready, which it is asked to become, for as long as it would wait for a slot.
void Recognition::await_model(std::string lost) {
    if (patience_ends_ == Deadline{}) patience_ends_ = in(model().options().queue_timeout);
    model().when_ready(
        patience_ends_,
        [self = shared_from_this()](Result<Lease> lease) {
            if (self->ticket_->stop().stop_requested())
                return self->answer(fail(ErrorCode::cancelled, "the client went away"), {});
            if (!lease && self->turn_to_fallback()) return self->await_model();
            if (!lease) return self->answer(std::unexpected(std::move(lease).error()), {});
            self->lease_ = *std::move(lease);
            self->enqueue();
        },
        std::move(lost));
}

/// True when another model than the one that was waited for serves by now.
bool Recognition::turn_to_fallback() {
    const auto before = std::exchange(server_, context_.catalog.serving(asked_));
    return server_ != before;
}

void Recognition::enqueue() {
    if (context_.decoders.submit([self = shared_from_this()] { self->decode(); })) return;
    answer(fail(ErrorCode::queue_full, "too many uploads wait to be decoded", "try again later"), {});
}

void Recognition::decode() {
    auto source = open_media(order_.media, {.max_seconds = context_.config.server.max_audio_seconds});
    if (!source) return answer(std::unexpected(std::move(source).error()), {});
    Request request{
        .audio = *std::move(source), .options = order_.options, .stop = ticket_->stop(), .id = request_id(request_)};
    if (order_.chunking) {
        auto endpointing = *order_.chunking;
        endpointing.vad_model = context_.vad_model;
        auto cutter = make_voice_cutter(endpointing);
        if (!cutter) return answer(std::unexpected(std::move(cutter).error()), {});
        request.cutter = *std::move(cutter);
    }
    if (order_.on_segment) {
        request.on_segment = [self = shared_from_this()](const Segment& segment) {
            self->order_.on_segment(segment, self->server_->name);
        };
    }
    lease_.submit(std::move(request),
                  [self = shared_from_this()](Result<Transcript> result, const RequestTimings& timings) {
                      if (!self->replay(result)) self->answer(std::move(result), timings);
                  });
}

/// A model that dies takes its requests with it, but not what they were about: each is tried once more, by a fallback
/// that is READY or the recovered model. Nothing of the first try has been told, so the client notices only the wait.
bool Recognition::replay(const Result<Transcript>& result) {
    if (result || result.error().code != ErrorCode::model_lost) return false;
    if ((order_.may_replay && !order_.may_replay()) || std::exchange(replayed_, true)) return false;
    spdlog::warn("replaying request={} instance={} cause=\"{}\"", request_id(request_), lease_.instance_id(),
                 result.error().message);
    context_.metrics.replayed(server_->name);
    std::string lost = lease_.instance_id();
    lease_ = Lease();
    server_ = context_.catalog.serving(asked_);
    await_model(std::move(lost));
    return true;
}

void Recognition::answer(Result<Transcript> result, const RequestTimings& timings) {
    context_.metrics.in_flight(-1);
    order_.media.reset();
    if (result) {
        context_.metrics.recognition(server_->name, seconds(timings.queued), seconds(timings.inference),
                                     timings.audio_seconds);
        spdlog::info("recognized request={} instance={} slot={} audio_s={:.2f} queued_ms={:.1f} inference_ms={:.1f}",
                     request_id(request_), lease_.instance_id(), timings.slot, timings.audio_seconds,
                     seconds(timings.queued) * 1000, seconds(timings.inference) * 1000);
    }
    const auto retry = result ? std::nullopt : retry_after_seconds(result.error());
    lease_ = Lease();
    share_ = {};  // before the answer: whoever has it may ask again
    done_({std::move(result), server_->name, retry});
    ticket_.reset();
}

std::optional<int> Recognition::retry_after_seconds(const Error& error) const {
    const auto health = model().health();
    if (error.code == ErrorCode::queue_full || error.code == ErrorCode::queue_timeout) return busy_retry(health.queue);
    if (spec_of(error.code).error_class == ErrorClass::model) return retry_after(health);
    return {};
}

}  // namespace hotmic::server
