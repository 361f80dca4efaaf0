#include "server/job_run.hpp"

#include <functional>
#include <future>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>

#include "asr/channels.hpp"
#include "asr/formats.hpp"
#include "hotmic/error.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "jobs/job.hpp"
#include "jobs/jobs.hpp"
#include "jobs/runner.hpp"
#include "server/context.hpp"
#include "server/job_form.hpp"
#include "server/recognition.hpp"
#include "server/transcription.hpp"
#include "telemetry/metrics.hpp"

namespace hotmic::server {
namespace {

/// A model that is not there, or has no room, is no fault of the job's; one that died may be.
jobs::Ran failed(const Error& error) {
    switch (error.code) {
        case ErrorCode::queue_full:
        case ErrorCode::queue_timeout:
        case ErrorCode::server_busy:
        case ErrorCode::decoder_unavailable:
        case ErrorCode::shutting_down:
        case ErrorCode::cancelled:
            return {std::unexpected(error), jobs::Again::model};
        case ErrorCode::model_lost:
        case ErrorCode::worker_hung:
            return {std::unexpected(error), jobs::Again::counted};
        default:
            break;
    }
    const bool of_model = spec_of(error.code).error_class == ErrorClass::model;
    return {std::unexpected(error), of_model ? jobs::Again::model : jobs::Again::no};
}

jobs::Ran run_job(Context& context, const jobs::Job& job, std::shared_ptr<const MediaBytes> media,
                  const std::function<void(Seconds)>& heard, const std::stop_token& stop) {
    const auto task = task_of(job.task);
    if (!task) return {std::unexpected(task.error())};
    auto made = make_transcribing(context.config.server, form_of(job, Bytes(media->size())), *task);
    if (!made) return {std::unexpected(made.error())};
    const auto& wanted = made->wanted;
    auto order = std::move(made->order);
    order.media = std::move(media);
    if (order.channels == Channels::mix)
        order.on_segment = [heard](const Segment& segment, const std::string&) { heard(segment.end); };
    const auto span = context.traces.begin("job");
    span.set("hotmic.job", std::string_view(job.id));
    std::promise<Recognition::Outcome> promise;
    auto told = promise.get_future();
    Recognition::begin(context,
                       {.id = job.id, .gone = [stop] { return stop.stop_requested(); }, .waits = false, .span = span},
                       std::move(order), [&](Recognition::Outcome outcome) { promise.set_value(std::move(outcome)); });
    const auto outcome = told.get();
    if (!outcome.transcript) span.fail(outcome.transcript.error());
    span.end();
    if (!outcome.transcript) return failed(outcome.transcript.error());
    return {jobs::Answer{.content_type = std::string(content_type_of(wanted.format)),
                         .body = render(*outcome.transcript, wanted.format, wanted.render),
                         .served_by = outcome.served_by}};
}

}  // namespace

telemetry::Metrics::JobGauges job_gauges_of(const Context& context) {
    const auto figures =
        context.transcription_jobs != nullptr ? context.transcription_jobs->figures() : jobs::Jobs::Figures{};
    telemetry::Metrics::JobGauges gauges{.oldest_queued = figures.oldest_queued,
                                         .bytes = static_cast<double>(figures.kept.size.count()),
                                         .pending_deliveries = static_cast<double>(figures.kept.pending_deliveries),
                                         .deliveries = {{"delivered", figures.deliveries.delivered},
                                                        {"refused", figures.deliveries.refused},
                                                        {"given_up", figures.deliveries.given_up}}};
    for (const auto status : jobs::kStatuses) {
        const auto found = figures.kept.jobs.find(status);
        gauges.jobs[std::string(jobs::to_string(status))] =
            found == figures.kept.jobs.end() ? 0.0 : static_cast<double>(found->second);
    }
    return gauges;
}

jobs::Runner::Recognize run_job_with(Context& context) {
    return [&context](const jobs::Job& job, std::shared_ptr<const MediaBytes> media,
                      const std::function<void(Seconds)>& heard,
                      const std::stop_token& stop) { return run_job(context, job, std::move(media), heard, stop); };
}

}  // namespace hotmic::server
