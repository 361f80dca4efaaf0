/// OpenAI's audio API: /v1/audio/transcriptions, /v1/audio/translations, /v1/models.
/// https://platform.openai.com/docs/api-reference/audio
#include <drogon/HttpAppFramework.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "server/context.hpp"
#include "server/form.hpp"
#include "server/recognition.hpp"
#include "server/responses.hpp"
#include "server/text_stream.hpp"
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

/// One upload on its way to an answer.
class Transcription : public std::enable_shared_from_this<Transcription> {
public:
    Transcription(Context& context, drogon::HttpRequestPtr request, Respond respond, Task task)
        : context_(context), request_(std::move(request)), respond_(std::move(respond)), task_(task) {}

    void begin_part(const drogon::MultipartHeader& header) {
        in_file_ = header.name == "file";
        if (in_file_) {
            form_.file = std::make_shared<std::vector<std::byte>>();
            form_.file_name = header.filename;
        } else {
            form_.fields.emplace_back(header.name, std::string{});
        }
    }

    void take(std::string_view data) {
        if (refused_) return;
        received_ += data.size();
        // A chunked body does not say its size beforehand.
        if (received_ > context_.config.server.max_body_bytes) return refuse_size();
        if (in_file_ && form_.file) {
            const auto bytes = std::as_bytes(std::span(data));
            form_.file->insert(form_.file->end(), bytes.begin(), bytes.end());
        } else if (!form_.fields.empty()) {
            form_.fields.back().second += data;
        }
    }

    void finish() {
        if (refused_) return;
        auto parsed = parse_form(form_, task_);
        if (!parsed) return refuse(parsed.error());
        wanted_ = *std::move(parsed);
        Recognition::Order order{.model = wanted_.model,
                                 .options = wanted_.options,
                                 .chunking = wanted_.chunking,
                                 .media = std::exchange(form_.file, nullptr)};
        if (wanted_.stream) {
            text_stream_ = std::make_shared<TextStream>(wanted_.render);
            order.on_segment = [self = shared_from_this()](const Segment& segment, const std::string& served_by) {
                if (!self->text_stream_->add(segment)) return;
                self->served_by_ = served_by;
                self->begin_stream();
            };
            order.may_replay = [text = text_stream_] { return !text->begun(); };
        }
        Recognition::begin(context_, request_, std::move(order),
                           [self = shared_from_this()](const Recognition::Outcome& outcome) { self->answer(outcome); });
    }

    /// Answers with an error, once: what still comes of the body is dropped.
    void refuse(const Error& error, std::optional<int> retry = {}) {
        if (refused_) return;
        refused_ = true;
        form_ = {};
        context_.metrics.error(to_string(error.code));
        respond_(respond_error(error, request_, retry));
    }

    void refuse_size() {
        refuse({ErrorCode::body_too_large,
                std::format("the body is over {} bytes", context_.config.server.max_body_bytes),
                "send a compressed format or parts, or raise server.max_body_bytes"});
    }

private:
    void answer(const Recognition::Outcome& outcome) {
        served_by_ = outcome.served_by;
        if (text_stream_ && outcome.transcript) {
            text_stream_->done(*outcome.transcript);
            if (!text_stream_->begun()) begin_stream();
        } else if (outcome.transcript) {
            send(respond_text(render(*outcome.transcript, wanted_.format, wanted_.render),
                              content_type_of(wanted_.format)));
        } else if (text_stream_ && text_stream_->begun()) {
            const auto& error = outcome.transcript.error();
            context_.metrics.error(to_string(error.code));
            spdlog::warn("request failed while its text was streamed request={} code={} message={:?}",
                         request_id(request_), to_string(error.code), error.message);
            text_stream_->fail(error_json(error));
        } else {
            refuse(outcome.transcript.error(), outcome.retry_after);
        }
    }

    /// Once there is text: until then a failure is answered as one, and a model that dies is replaced.
    void begin_stream() {
        send(respond_events([text = text_stream_](bool& last) { return text->take(last); }));
    }

    void send(const drogon::HttpResponsePtr& response) {
        if (!served_by_.empty()) response->addHeader("x-hotmic-model", served_by_);
        respond_(response);
    }

    Context& context_;
    const drogon::HttpRequestPtr request_;
    const Respond respond_;
    const Task task_;
    Form form_;
    bool in_file_ = false;
    bool refused_ = false;
    std::size_t received_ = 0;
    TranscriptionRequest wanted_;
    std::shared_ptr<TextStream> text_stream_;  // null where the answer comes at once
    std::string served_by_;
};

/// Content-Length; 0 where there is none, as in a chunked body.
std::uint64_t announced_size(const drogon::HttpRequestPtr& request) {
    const auto& header = request->getHeader("content-length");
    std::uint64_t size = 0;
    std::from_chars(header.data(), header.data() + header.size(), size);
    return size;
}

void handle_audio(Context& context, const drogon::HttpRequestPtr& request, drogon::RequestStreamPtr stream,
                  Respond respond, Task task) {
    auto transcription = std::make_shared<Transcription>(context, request, std::move(respond), task);
    if (context.refusing) {
        return transcription->refuse(
            {ErrorCode::shutting_down, "the server is shutting down", "send the request to another instance"}, 5);
    }
    if (auto known = authorize(request, context.config.server.api_keys); !known)
        return transcription->refuse(known.error());
    if (!request->getHeader("content-type").starts_with("multipart/form-data") || !stream) {
        return transcription->refuse({ErrorCode::invalid_request, "the body is not multipart/form-data",
                                      "send the audio as multipart field file, e.g. curl -F file=@speech.wav"});
    }
    // The library's reader would wait for ever for the end of a form whose boundary it does not know.
    if (!request->getHeader("content-type").contains("boundary=")) {
        return transcription->refuse({ErrorCode::invalid_request, "the Content-Type names no boundary",
                                      "let the HTTP library set Content-Type: it adds the boundary it uses"});
    }
    constexpr std::uint64_t kFormLines = 1 << 20;  // what a form has around its file
    if (announced_size(request) > context.config.server.max_body_bytes + kFormLines)
        return transcription->refuse_size();
    stream->setStreamReader(drogon::RequestStreamReader::newMultipartReader(
        request, [transcription](const drogon::MultipartHeader& header) { transcription->begin_part(header); },
        [transcription](const char* data, std::size_t size) { transcription->take({data, size}); },
        [transcription](const std::exception_ptr& problem) {
            if (!problem) return transcription->finish();
            transcription->refuse({ErrorCode::invalid_request, "the multipart body is malformed or ended early",
                                   "let an HTTP library build it, e.g. curl -F file=@speech.wav"});
        }));
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

void register_openai(Context& context) {
    auto& app = drogon::app();
    const auto audio = [&](const char* path, Task task) {
        app.registerHandler(path,
                            std::function<void(const drogon::HttpRequestPtr&, drogon::RequestStreamPtr&&, Respond&&)>(
                                [&context, task](const drogon::HttpRequestPtr& request,
                                                 drogon::RequestStreamPtr&& stream, Respond&& respond) {
                                    handle_audio(context, request, std::move(stream), std::move(respond), task);
                                }),
                            {drogon::Post});
    };
    audio("/v1/audio/transcriptions", Task::transcribe);
    audio("/v1/audio/translations", Task::translate);

    const auto created =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    app.registerHandler("/v1/models",
                        [&context, created](const drogon::HttpRequestPtr& request, Respond&& respond) {
                            if (auto known = authorize(request, context.config.server.api_keys); !known) {
                                context.metrics.error(to_string(known.error().code));
                                return respond(respond_error(known.error(), request));
                            }
                            wire::Models models;
                            for (const auto& entry : context.catalog.entries())
                                models.data.push_back(describe(*entry, created));
                            respond(respond_json(to_json(models)));
                        },
                        {drogon::Get});
    // An id may hold slashes, which a path parameter may not.
    app.registerHandlerViaRegex(
        "/v1/models/(.+)",
        [&context, created](const drogon::HttpRequestPtr& request, Respond&& respond, const std::string& id) {
            auto known = authorize(request, context.config.server.api_keys);
            const auto entry = known ? context.catalog.find(id) : std::unexpected(known.error());
            if (!entry) {
                context.metrics.error(to_string(entry.error().code));
                return respond(respond_error(entry.error(), request));
            }
            respond(respond_json(to_json(describe(**entry, created))));
        },
        {drogon::Get});
}

}  // namespace hotmic::server
