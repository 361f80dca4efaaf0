/// Jobs: recordings that are recognized while nobody waits. /v1/jobs.
#include "jobs/jobs.hpp"

#include <charconv>
#include <cstddef>
#include <format>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/units.hpp"
#include "jobs/job.hpp"
#include "jobs/job_json.hpp"
#include "server/context.hpp"
#include "server/form_receiver.hpp"
#include "server/http/message.hpp"
#include "server/http/router.hpp"
#include "server/job_form.hpp"
#include "server/keys.hpp"
#include "server/responses.hpp"
#include "server/transcription.hpp"
#include "text/json.hpp"
#include "text/utf8.hpp"

namespace hotmic::server {
namespace wire {

struct JobList {
    std::string object = "list";
    std::vector<jobs::wire::Job> data;
    bool has_more = false;
    std::optional<std::string> last_id{};
};
struct JobGone {
    std::string id;
    std::string object = "transcription.job";
    bool deleted = true;
};

}  // namespace wire

namespace {

/// Seconds: there is room again when jobs were removed or forgotten.
constexpr int kRetryWhenFull = 60;
constexpr int kUsualPage = 20;
constexpr int kMostPage = 100;
constexpr std::size_t kMostIdempotencyKey = 255;

Result<void> check_enabled(const Context& context) {
    if (context.transcription_jobs != nullptr) return {};
    return fail(ErrorCode::jobs_disabled, "this server keeps no jobs",
                "set jobs.dir to a folder for them, or send the recording to /v1/audio/transcriptions");
}

/// Whose jobs the request is about: those of its key; whoever may administer sees all. Errors: unauthorized.
Result<jobs::Viewer> viewer_of(const Context& context, http::Request& request) {
    if (context.keys.has(Scope::admin) && context.keys.authorize(request, Scope::admin)) return jobs::Viewer{};
    if (auto known = context.keys.authorize(request, Scope::transcribe); !known)
        return std::unexpected(std::move(known).error());
    return jobs::Viewer(context.keys.owner(request));
}

Response refusal(Context& context, const http::Request& request, const Error& error) {
    context.metrics.error(to_string(error.code));
    const bool soon = error.code == ErrorCode::server_busy;
    return respond_error(error, &request, soon ? std::optional(1) : std::nullopt);
}

jobs::wire::Job told(const Context& context, const jobs::Job& job) {
    return jobs::wire::describe(job, context.transcription_jobs->heard(job.id));
}

/// One upload on its way to being a job.
class JobUpload final : public FormReceiver, public std::enable_shared_from_this<JobUpload> {
public:
    JobUpload(Context& context, RequestPtr request, Respond respond, const std::string& boundary)
        : FormReceiver(context, std::move(request), std::move(respond), boundary) {}

private:
    void whole() override {
        auto job = understand();
        if (!job) return refuse(job.error());
        job_ = *std::move(job);
        media_ = take_media();
        const bool taken = context_.filing.submit([self = shared_from_this()] { self->file(); });
        if (!taken) refuse({ErrorCode::server_busy, "too many jobs are being taken already", "try again later"});
    }

    /// Everything that can be wrong with it is found before it is taken.
    Result<jobs::Job> understand() {
        auto viewer = viewer_of(context_, *request_);
        if (!viewer) return std::unexpected(std::move(viewer).error());
        auto job = job_of(form_);
        if (!job) return job;
        const auto task = task_of(job->task);
        if (!task) return std::unexpected(task.error());
        const auto& jobs = *context_.transcription_jobs;
        if (!job->webhook.url.empty()) {
            if (auto good = jobs.check_webhook(job->webhook.url); !good) return std::unexpected(good.error());
        }
        if (!job->url.empty()) {
            if (auto good = jobs.check_recording_url(job->url); !good) return std::unexpected(good.error());
            form_.file = Bytes(1);  // it is yet to come
        }
        const auto made = make_transcribing(context_.config.server, form_, *task);
        if (!made) return std::unexpected(made.error());
        if (made->wanted.stream) {
            return hotmic::fail(ErrorCode::unsupported_parameter, "a job's result is not streamed",
                                "leave stream out, and GET the result when the job has ended", "stream");
        }
        // Before it is known which models there are, any may be among them.
        if (const auto model = context_.catalog.find(made->wanted.model);
            !model && model.error().code != ErrorCode::model_not_loaded)
            return std::unexpected(model.error());
        warnings_ = made->wanted.warnings;
        job->model = made->wanted.model;
        job->owner = viewer->value_or("admin");
        const auto key = request_->header("idempotency-key");
        if (key.size() > kMostIdempotencyKey) {
            return hotmic::fail(ErrorCode::invalid_request,
                                std::format("Idempotency-Key is over {} bytes", kMostIdempotencyKey),
                                "send a shorter one", "Idempotency-Key");
        }
        job->idempotency_key = valid_utf8(std::string(key));
        return job;
    }

    void file() {
        auto added = context_.transcription_jobs->submit(std::move(job_), media_.get());
        media_.reset();
        if (!added) {
            const bool full = added.error().code == ErrorCode::queue_full;
            return refuse(added.error(), full ? std::optional(kRetryWhenFull) : std::nullopt);
        }
        auto response = respond_json(to_json(told(context_, added->job)), added->is_new ? 202 : 200);
        response.headers.set("Location", "/v1/jobs/" + added->job.id);
        for (const auto& warning : warnings_)
            response.headers.add("Warning", std::format("299 hotmic \"{}\"", warning));
        (void)take_share();  // before the answer: whoever has it may ask again
        respond_(std::move(response));
    }

    jobs::Job job_;
    std::shared_ptr<const MediaBytes> media_;
    std::vector<std::string> warnings_;
};

Result<Response> list(const Context& context, const http::Request& request, const jobs::Viewer& viewer) {
    int most = kUsualPage;
    if (const auto text = request.parameter("limit"); !text.empty()) {
        const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), most);
        if (error != std::errc{} || rest != text.data() + text.size() || most < 1 || most > kMostPage) {
            return fail(ErrorCode::invalid_request, "limit is no whole number from 1 to 100", "give such a number",
                        "limit");
        }
    }
    std::optional<jobs::Status> status;
    if (const auto text = request.parameter("status"); !text.empty()) {
        status = jobs::status_named(text);
        if (!status) {
            return fail(ErrorCode::invalid_request, "status is none that a job has",
                        "give queued, running, succeeded, failed or cancelled", "status");
        }
    }
    auto found = context.transcription_jobs->list(viewer, status, request.parameter("after"), most + 1);
    if (!found) return std::unexpected(std::move(found).error());
    wire::JobList body{.data = {}, .has_more = std::ssize(*found) > most};
    if (body.has_more) found->pop_back();
    for (const auto& job : *found) body.data.push_back(told(context, job));
    if (!found->empty()) body.last_id = found->back().id;
    return respond_json(to_json(body));
}

Result<Response> one(const Context& context, const http::Request& request, const jobs::Viewer& viewer) {
    return context.transcription_jobs->find(viewer, request.captures[0]).transform([&](const jobs::Job& job) {
        return respond_json(to_json(told(context, job)));
    });
}

Result<Response> result(const Context& context, const http::Request& request, const jobs::Viewer& viewer) {
    auto answer = context.transcription_jobs->answer(viewer, request.captures[0]);
    if (!answer) return std::unexpected(std::move(answer).error());
    auto response = respond_text(std::move(answer->body), answer->content_type);
    response.headers.set("x-hotmic-model", answer->served_by);
    return response;
}

Result<Response> remove(const Context& context, const http::Request& request, const jobs::Viewer& viewer) {
    const auto removed = context.transcription_jobs->cancel_or_remove(viewer, request.captures[0]);
    if (!removed) return std::unexpected(removed.error());
    if (removed->gone) return respond_json(to_json(wire::JobGone{.id = removed->job.id}));
    return respond_json(to_json(told(context, removed->job)), jobs::has_ended(removed->job.status) ? 200 : 202);
}

using Answering = Result<Response> (*)(const Context&, const http::Request&, const jobs::Viewer&);

void add_answer(http::Router& router, Context& context, Method method, const char* pattern, Answering answering) {
    router.add({.method = method,
                .pattern = pattern,
                .handle = [&context, answering](const RequestPtr& request, const Respond& respond) {
                    const auto tell = [&context, request, respond](Result<Response> response) {
                        respond(response ? *std::move(response) : refusal(context, *request, response.error()));
                    };
                    auto viewer = viewer_of(context, *request);
                    if (!viewer) return tell(std::unexpected(std::move(viewer).error()));
                    if (auto enabled = check_enabled(context); !enabled)
                        return tell(std::unexpected(std::move(enabled).error()));
                    const bool taken = context.filing.submit([&context, answering, request, tell, viewer = *viewer] {
                        tell(answering(context, *request, viewer));
                    });
                    if (!taken) tell(fail(ErrorCode::server_busy, "too many ask for jobs at once", "try again later"));
                }});
}

}  // namespace

void add_job_routes(http::Router& router, Context& context) {
    add_form_route(
        router, context, "/v1/jobs",
        [&context](const RequestPtr& request, Respond respond, const std::string& boundary) {
            return std::make_shared<JobUpload>(context, request, std::move(respond), boundary);
        },
        [&context](const http::Request&) { return check_enabled(context); });
    add_answer(router, context, Method::get, "/v1/jobs", list);
    add_answer(router, context, Method::get, "/v1/jobs/{id}", one);
    add_answer(router, context, Method::get, "/v1/jobs/{id}/result", result);
    add_answer(router, context, Method::del, "/v1/jobs/{id}", remove);
}

}  // namespace hotmic::server
