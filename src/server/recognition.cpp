#include "server/recognition.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <format>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asr/channels.hpp"
#include "hotmic/error.hpp"
#include "hotmic/health.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/state.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "hotmic/voice.hpp"
#include "lifecycle/quarantine.hpp"
#include "server/context.hpp"
#include "server/responses.hpp"
#include "server/traced_source.hpp"
#include "speech/speech_cutter.hpp"

namespace hotmic::server {
namespace {

/// What a request is about: the same bytes and options again are the same request. Never 0.
std::uint64_t fingerprint_of(const MediaBytes& media, const TranscribeOptions& options, std::optional<int> channel) {
    std::string phrases;
    for (const auto& [phrase, boost] : options.hotwords) phrases += std::format("{}:{},", phrase, boost);
    const auto asked = std::format(
        "{} {} {} {} {} {} {} {} {} {} {} {} {}", static_cast<int>(options.task), options.language, options.languages,
        options.prompt, options.temperature, options.temperature_fallback, options.beam_size, options.best_of,
        options.word_timestamps, options.tag_audio_events, phrases, channel.value_or(-1), media.size());
    std::uint64_t hash = std::hash<std::string>{}(asked);
    std::vector<std::byte> part(64 << 10);
    for (std::uint64_t at = 0; at < media.size(); at += part.size()) {
        const auto got = static_cast<std::size_t>(std::max<std::int64_t>(0, media.read(at, part)));
        hash = hash * 31 + std::hash<std::string_view>{}({reinterpret_cast<const char*>(part.data()), got});
    }
    return hash | 1;
}

/// Seconds until the queue has moved by about one place.
int busy_retry(const QueueStatus& queue) {
    const auto wait = queue.mean_service * static_cast<double>(queue.waiting + 1) / std::max(1, queue.slots);
    return static_cast<int>(std::clamp(wait.count(), 1.0, 600.0));
}

}  // namespace

void Recognition::begin(Context& context, Asker asker, Order order, Done done) {
    std::shared_ptr<Recognition>(new Recognition(context, std::move(asker), std::move(order), std::move(done)))
        ->find_model();
}

void Recognition::begin(Context& context, const RequestPtr& request, Order order, Done done) {
    begin(context,
          {.id = request->id,
           .client = request->peer,
           .key = request->caller,
           .gone = [request] { return request->client_gone(); },
           .span = request->span},
          std::move(order), std::move(done));
}

void Recognition::find_model() {
    auto asked = context_.catalog.find(order_.model);
    if (!asked) {
        const auto retry = asked.error().code == ErrorCode::model_not_loaded ? std::optional(1) : std::nullopt;
        return turn_away({std::unexpected(std::move(asked).error()), {}, retry});
    }
    asked_ = *std::move(asked);
    server_ = context_.catalog.serving(asked_);
    auto lease = model().acquire();
    const bool awaited = !lease && model().health().awaited;
    if (!lease && !awaited) {
        const auto retry = retry_after(model().health());
        return turn_away({std::unexpected(std::move(lease).error()), server_->name, retry});
    }
    if (!asker_.client.empty()) {
        auto share = context_.clients.admit(asker_.client, Clients::What::request);
        if (!share) {
            return turn_away(
                {std::unexpected(std::move(share).error()), server_->name, busy_retry(model().health().queue)});
        }
        share_ = *std::move(share);
    }
    ticket_.emplace(context_.in_flight, asker_.gone);
    context_.metrics.in_flight(+1);
    if (awaited) return await_model();
    lease_ = *std::move(lease);
    enqueue();
}

void Recognition::turn_away(Outcome why) {
    order_.share = {};
    done_(std::move(why));
}

/// Goes on as soon as the model is ready, which it is asked to become, for as long as it would wait for a slot.
void Recognition::await_model(std::string lost) {
    if (patience_ends_ == Deadline{}) patience_ends_ = deadline_in(model().options().queue_timeout);
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
    const auto& limits = context_.config.server;
    const auto decoding = asker_.span.child("decode");
    std::optional<int> channel;
    if (order_.channels == Channels::separate) channel = static_cast<int>(heard_.size());
    auto source = context_.decoder.open(
        order_.media,
        {.max_length = Seconds(limits.max_audio_seconds),
         .cpu_time = Seconds(limits.decode_cpu_seconds),
         .stop = ticket_->stop()},
        {.language = order_.options.language.empty() ? model().options().language : order_.options.language,
         .channel = channel});
    if (!source) {
        decoding.fail(source.error());
        return answer(std::unexpected(std::move(source).error()), {});
    }
    if (const auto track = (*source)->track(); track && channel) {
        channels_ = track->channels;
        if (auto few = check_separate(channels_); !few) return answer(std::unexpected(std::move(few).error()), {});
    }
    if (const auto track = (*source)->track(); track && track->of > 1)
        audio_track_ =
            std::format("{} of {}{}{}", track->number, track->of, track->language.empty() ? "" : ", ", track->language);
    Request request{.audio = traced(*std::move(source), decoding),
                    .options = order_.options,
                    .stop = ticket_->stop(),
                    .id = asker_.id,
                    .fingerprint = fingerprint_of(*order_.media, order_.options, channel)};
    if (!asker_.waits) request.wanted_by = Request::kWhenever;
    auto endpointing = order_.chunking.value_or(Endpointing{});
    endpointing.vad_model = context_.vad_model;
    auto cutter = order_.chunking ? make_speech_cutter(endpointing) : make_file_cutter(context_.vad_model);
    if (!cutter) return answer(std::unexpected(std::move(cutter).error()), {});
    request.cutter = *std::move(cutter);
    if (order_.on_segment) {
        request.on_segment = [self = shared_from_this()](const Segment& segment) {
            self->order_.on_segment(segment, self->server_->name);
        };
    }
    lease_.submit(std::move(request),
                  [self = shared_from_this()](Result<Transcript> result, const RequestTimings& timings) {
                      self->trace(result, timings);
                      if (self->replay(result, timings) || self->go_on(result, timings)) return;
                      self->answer(std::move(result), self->timings_);
                  });
}

/// Where the time went that a slot was waited for, and had.
void Recognition::trace(const Result<Transcript>& result, const RequestTimings& timings) const {
    if (!asker_.span) return;
    const auto ended = Clock::now();
    const auto began = ended - std::chrono::duration_cast<Clock::duration>(timings.inference);
    asker_.span.child("queue", began - std::chrono::duration_cast<Clock::duration>(timings.queued)).end(began);
    if (timings.slot < 0) return;  // it never got one
    const auto inference = asker_.span.child("inference", began);
    inference.set("hotmic.model", std::string_view(server_->name));
    inference.set("hotmic.instance", std::string_view(lease_.instance_id()));
    inference.set("hotmic.slot", static_cast<std::int64_t>(timings.slot));
    inference.set("hotmic.audio.seconds", timings.audio.count());
    if (!result) inference.fail(result.error());
    inference.end(ended);
}

/// A model that dies takes its requests with it, but not what they were about: each is tried once more, by a fallback
/// that is READY or the recovered model. Nothing of the first try has been told, so the client notices only the wait.
/// One that two models died under is not given to a third; one that only waited is no matter of that.
bool Recognition::replay(Result<Transcript>& result, const RequestTimings& timings) {
    constexpr int kMostLosses = 5;
    if (result || result.error().code != ErrorCode::model_lost) return false;
    if (timings.died_under_it && ++deaths_ >= Request::kMostDeaths) {
        spdlog::warn("poison request={} instance={} cause={:?}", asker_.id, lease_.instance_id(),
                     result.error().message);
        result = std::unexpected(poison());
        return false;
    }
    if ((order_.may_replay && !order_.may_replay()) || ++losses_ > kMostLosses) return false;
    spdlog::warn("replaying request={} instance={} cause=\"{}\"", asker_.id, lease_.instance_id(),
                 result.error().message);
    context_.metrics.replayed(server_->name);
    std::string lost = lease_.instance_id();
    lease_ = Lease();
    patience_ends_ = {};
    server_ = context_.catalog.serving(asked_);
    await_model(std::move(lost));
    return true;
}

/// True when another channel is to be heard. After the last one `result` is of them all.
bool Recognition::go_on(Result<Transcript>& result, const RequestTimings& timings) {
    timings_.queued += timings.queued;
    timings_.inference += timings.inference;
    timings_.audio += timings.audio;
    timings_.slot = timings.slot;
    if (!result || order_.channels == Channels::mix) return false;
    heard_.push_back(*std::move(result));
    if (std::ssize(heard_) < channels_) {
        enqueue();
        return true;
    }
    result = joined(std::move(heard_));
    return false;
}

void Recognition::answer(Result<Transcript> result, const RequestTimings& timings) {
    context_.metrics.in_flight(-1);
    order_.media.reset();
    if (result) {
        context_.metrics.recognition(server_->name, timings.queued, timings.inference, timings.audio,
                                     reference_to(asker_.span));
        if (!asker_.key.empty()) context_.metrics.audio_of_key(asker_.key, timings.audio);
        context_.metrics.decoding(server_->name, result->counters, result->uncovered);
        spdlog::info(
            "recognized request={} caller={} instance={} slot={} audio_s={:.2f} queued_ms={:.1f} inference_ms={:.1f} "
            "language={} language_probability={:.2f}{}{}",
            asker_.id, asker_.key.empty() ? "-" : asker_.key, lease_.instance_id(), timings.slot, timings.audio.count(),
            to_ms(timings.queued), to_ms(timings.inference), result->language, result->language_probability,
            asker_.span ? " trace=" : "", asker_.span.trace_id());
        for (const auto& [language, probability] : result->detections) {
            context_.metrics.detection(server_->name, probability);
            spdlog::debug("language detected request={} language={} probability={:.2f}", asker_.id, language,
                          probability);
        }
    }
    const auto retry = result ? std::nullopt : retry_after_seconds(result.error());
    lease_ = Lease();
    order_.share = {};
    share_ = {};  // before the answer: whoever has it may ask again
    done_({std::move(result), server_->name, retry, audio_track_});
    ticket_.reset();
}

std::optional<int> Recognition::retry_after_seconds(const Error& error) const {
    const auto health = model().health();
    if (error.code == ErrorCode::queue_full || error.code == ErrorCode::queue_timeout) return busy_retry(health.queue);
    if (spec_of(error.code).error_class == ErrorClass::model) return retry_after(health);
    return {};
}

}  // namespace hotmic::server
