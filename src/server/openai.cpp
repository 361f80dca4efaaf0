/// OpenAI's audio API: /v1/audio/transcriptions, /v1/audio/translations, /v1/models.
/// https://platform.openai.com/docs/api-reference/audio
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <format>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "asr/formats.hpp"
#include "hotmic/error.hpp"
#include "hotmic/state.hpp"
#include "hotmic/transcript.hpp"
#include "server/catalog.hpp"
#include "server/context.hpp"
#include "server/event_stream.hpp"
#include "server/form_receiver.hpp"
#include "server/http/message.hpp"
#include "server/http/router.hpp"
#include "server/keys.hpp"
#include "server/recognition.hpp"
#include "server/responses.hpp"
#include "server/text_stream.hpp"
#include "server/transcription.hpp"
#include "text/json.hpp"

namespace hotmic::server {
namespace wire {

struct Model {
    std::string id;
    std::string object = "model";
    std::int64_t created = 0;
    std::string owned_by = "hotmic";
    // Beyond OpenAI's shape.
    std::string state;
    bool ready = false;
    std::string provider;
    std::vector<std::string> aliases;
};

struct Models {
    std::string object = "list";
    std::vector<Model> data;
};

}  // namespace wire

namespace {

/// Of waiting, without a word to who asked for a stream.
constexpr std::chrono::seconds kSilence{15};

/// One upload on its way to an answer.
class Transcription final : public FormReceiver, public std::enable_shared_from_this<Transcription> {
public:
    Transcription(Context& context, RequestPtr request, Respond respond, Task task, const std::string& boundary)
        : FormReceiver(context, std::move(request), std::move(respond), boundary), task_(task) {}

private:
    void whole() override {
        auto made = make_transcribing(context_.config.server, form_, task_);
        if (!made) return refuse(made.error());
        wanted_ = std::move(made->wanted);
        for (const auto& warning : wanted_.warnings)
            spdlog::warn("field ignored request={} warning={:?}", request_->id, warning);
        auto order = std::move(made->order);
        order.media = take_media();
        order.share = take_share();
        if (!request_->captures.empty()) order.model = wanted_.model = request_->captures[0];
        if (wanted_.stream) {
            text_stream_ = std::make_shared<TextStream>(wanted_.render.logprobs);
            order.on_segment = [self = shared_from_this()](const Segment& segment, const std::string& served_by) {
                if (!self->text_stream_->add(segment)) return;
                self->served_by_ = served_by;
                self->begin_stream();
            };
            // Who waits for the first word is told that it is waited for.
            if (const auto client = request_->client.lock()) {
                client->after(kSilence, [weak = weak_from_this()] {
                    if (const auto self = weak.lock()) self->begin_stream(false);
                });
            }
            order.may_replay = [text = text_stream_] { return !text->begun(); };
        }
        Recognition::begin(context_, request_, std::move(order),
                           [self = shared_from_this()](const Recognition::Outcome& outcome) { self->answer(outcome); });
    }

    void answer(const Recognition::Outcome& outcome) {
        served_by_ = outcome.served_by;
        audio_track_ = outcome.audio_track;
        if (text_stream_ && outcome.transcript) {
            text_stream_->done(*outcome.transcript);
            begin_stream();
        } else if (outcome.transcript) {
            const auto formatting = request_->span.child("format");
            auto text = render(*outcome.transcript, wanted_.format, wanted_.render);
            formatting.end();
            send(respond_text(std::move(text), content_type_of(wanted_.format)), served_by_);
        } else if (text_stream_ && streams_.exchange(true)) {
            const auto& error = outcome.transcript.error();
            context_.metrics.error(to_string(error.code));
            spdlog::warn("request failed while its text was streamed request={} code={} message={:?}", request_->id,
                         to_string(error.code), error.message);
            text_stream_->fail(error_json(error));
        } else {
            refuse(outcome.transcript.error(), outcome.retry_after);
        }
    }

    /// Once there is text, or nobody was told anything for a while: until then a failure is answered as one, and a
    /// model that dies is replaced.
    void begin_stream(bool is_served = true) {
        if (streams_.exchange(true)) return;
        send(respond_events([text = text_stream_](bool& last) { return text->take(last); }),
             is_served ? served_by_ : std::string{});
    }

    void send(Response response, const std::string& served_by) {
        if (!served_by.empty()) response.headers.set("x-hotmic-model", served_by);
        if (!audio_track_.empty()) response.headers.set("x-hotmic-audio-track", audio_track_);
        for (const auto& warning : wanted_.warnings)
            response.headers.add("Warning", std::format("299 hotmic \"{}\"", warning));
        respond_(std::move(response));
    }

    const Task task_;
    std::atomic<bool> streams_{false};  // the answer has begun
    TranscriptionRequest wanted_;
    std::shared_ptr<TextStream> text_stream_;  // null where the answer comes at once
    std::string served_by_;
    std::string audio_track_;
};

void add_upload(http::Router& router, Context& context, const char* path, Task task) {
    add_form_route(router, context, path,
                   [&context, task](const RequestPtr& request, Respond respond, const std::string& boundary) {
                       return std::make_shared<Transcription>(context, request, std::move(respond), task, boundary);
                   });
}

wire::Model describe(const CatalogEntry& entry, std::int64_t created) {
    const auto health = entry.model->health();
    return {.id = entry.name,
            .created = created,
            .state = std::string(to_string(health.state)),
            .ready = health.ready,
            .provider = health.provider,
            .aliases = entry.aliases};
}

}  // namespace

void add_openai_routes(http::Router& router, Context& context) {
    add_upload(router, context, "/v1/audio/transcriptions", Task::transcribe);
    add_upload(router, context, "/v1/audio/translations", Task::translate);
    // As Azure's clients ask, whose path names the model.
    add_upload(router, context, "/openai/deployments/{model}/audio/transcriptions", Task::transcribe);
    add_upload(router, context, "/openai/deployments/{model}/audio/translations", Task::translate);

    const auto created =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    const auto get = [&](const char* path, std::function<Result<std::string>(const http::Request&)> make) {
        router.add({.pattern = path,
                    .handle = [&context, make = std::move(make)](const RequestPtr& request, const Respond& respond) {
                        const auto known = context.keys.authorize(*request, Scope::transcribe);
                        auto json = known ? make(*request) : std::unexpected(known.error());
                        if (json) return respond(respond_json(*std::move(json)));
                        context.metrics.error(to_string(json.error().code));
                        respond(respond_error(json.error(), request.get()));
                    }});
    };
    get("/v1/models", [&context, created](const http::Request&) {
        wire::Models models;
        for (const auto& entry : context.catalog.entries()) models.data.push_back(describe(*entry, created));
        return to_json(models);
    });
    get("/v1/models/{id...}", [&context, created](const http::Request& request) {  // an id may hold slashes
        return context.catalog.find(request.captures[0]).transform([&](const EntryPtr& entry) {
            return to_json(describe(*entry, created));
        });
    });
}

}  // namespace hotmic::server
