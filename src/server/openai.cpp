/// OpenAI's audio API: /v1/audio/transcriptions, /v1/audio/translations, /v1/models.
/// https://platform.openai.com/docs/api-reference/audio
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <utility>

#include "server/context.hpp"
#include "server/form.hpp"
#include "server/http/multipart.hpp"
#include "server/recognition.hpp"
#include "server/responses.hpp"
#include "server/text_stream.hpp"
#include "server/upload.hpp"
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

/// Of one field that is no file: more than any has use for.
constexpr std::size_t kMostField = 64 << 10;
/// Of waiting, without a word to who asked for a stream.
constexpr std::chrono::seconds kSilence{15};
/// What a form has around its file.
constexpr std::uint64_t kFormLines = 1 << 20;

/// One upload on its way to an answer.
class Transcription final : public http::BodyReader,
                            public http::MultipartParser::Handler,
                            public std::enable_shared_from_this<Transcription> {
public:
    Transcription(Context& context, RequestPtr request, Respond respond, Task task, const std::string& boundary)
        : context_(context),
          request_(std::move(request)),
          respond_(std::move(respond)),
          task_(task),
          parser_(boundary, *this) {
        form_.query = request_->query;
    }

    bool take(std::string_view bytes) override {
        if (auto taken = parser_.feed(bytes); !taken) refuse(taken.error());
        return !refused_;
    }

    void fail(const Error& error) override { refuse(error); }

    void finish() override {
        if (refused_) return;
        if (auto whole = parser_.finish(); !whole) return refuse(whole.error());
        transcribe();
    }

    Result<void> begin_part(http::MultipartParser::Part part) override {
        into_ = Into::nothing;
        if (part.name == "file") {
            if (form_.file) {
                return hotmic::fail(ErrorCode::invalid_request, "the form has two parts named \"file\"",
                                    "send one recording a request", "file");
            }
            form_.file = 0;
            upload_.emplace(context_.spool, request_->share);
            form_.file_name = part.file_name.value_or("");
            into_ = Into::file;
        } else if (part.file_name) {
            form_.other_files.push_back(std::move(part.name));
        } else {
            if (!request_->share.grow(part.name.size())) return no_room();
            form_.fields.emplace_back(std::move(part.name), std::string{});
            into_ = Into::field;
        }
        return {};
    }

    Result<void> part_data(std::string_view data) override {
        received_ += data.size();
        // A chunked body does not say its size beforehand.
        if (received_ > context_.config.server.max_body_bytes) return std::unexpected(too_large(context_));
        if (into_ == Into::nothing) return {};
        if (into_ == Into::field) {
            auto& [name, value] = form_.fields.back();
            if (value.size() + data.size() > kMostField) {
                return hotmic::fail(ErrorCode::invalid_request,
                                    std::format("the field \"{}\" is over {} bytes", name, kMostField), "", name);
            }
            if (!request_->share.grow(data.size())) return no_room();
            value += data;
            return {};
        }
        *form_.file += data.size();
        return upload_->add(data);
    }

    static Error too_large(const Context& context) {
        return {ErrorCode::body_too_large,
                std::format("the body is over {} bytes", context.config.server.max_body_bytes),
                "send a compressed format or parts, or raise server.max_body_bytes"};
    }

private:
    enum class Into : std::uint8_t { nothing, field, file };

    static std::unexpected<Error> no_room() {
        return hotmic::fail(ErrorCode::server_busy, "the server holds too many bytes for clients", "try again later");
    }

    void transcribe() {
        auto parsed = parse_form(form_, task_);
        if (!parsed) return refuse(parsed.error());
        wanted_ = *std::move(parsed);
        const auto& standard = context_.config.server;
        wanted_.render.cues = {.max_line_width = wanted_.max_line_width.value_or(standard.max_line_width),
                               .max_line_count = wanted_.max_line_count.value_or(standard.max_line_count)};
        if (needs_words(wanted_.format, wanted_.render)) wanted_.options.word_timestamps = true;
        for (const auto& warning : wanted_.warnings)
            spdlog::warn("field ignored request={} warning={:?}", request_->id, warning);
        Recognition::Order order{.model = wanted_.model,
                                 .options = wanted_.options,
                                 .chunking = wanted_.chunking,
                                 .channels = channels_of(wanted_, standard),
                                 .media = std::move(*upload_).finish()};
        upload_.reset();
        if (wanted_.stream) {
            text_stream_ = std::make_shared<TextStream>(wanted_.render);
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

    /// Text is told in order of time while it is recognized: so streamed text is of all channels at once.
    static Channels channels_of(const TranscriptionRequest& wanted, const config::Server& standard) {
        if (wanted.stream) return Channels::mix;
        return wanted.channels.value_or(standard.channels == name_of(Channels::separate) ? Channels::separate
                                                                                         : Channels::mix);
    }

    /// Answers with an error, once: what still comes of the body is dropped.
    void refuse(const Error& error, std::optional<int> retry = {}) {
        if (refused_) return;
        refused_ = true;
        form_ = {};
        upload_.reset();
        if (error.code == ErrorCode::server_busy && !retry) retry = 1;
        context_.metrics.error(to_string(error.code));
        respond_(respond_error(error, request_.get(), retry));
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

    Context& context_;
    const RequestPtr request_;
    const Respond respond_;
    const Task task_;
    http::MultipartParser parser_;
    Form form_;
    std::optional<Upload> upload_;  // the part "file", until it is whole
    Into into_ = Into::nothing;
    bool refused_ = false;
    std::atomic<bool> streams_{false};  // the answer has begun
    std::size_t received_ = 0;
    TranscriptionRequest wanted_;
    std::shared_ptr<TextStream> text_stream_;  // null where the answer comes at once
    std::string served_by_;
    std::string audio_track_;
};

/// Content-Length; 0 where there is none, as in a chunked body.
std::uint64_t announced_size(const http::Request& request) {
    const auto header = request.header("content-length");
    std::uint64_t size = 0;
    std::from_chars(header.data(), header.data() + header.size(), size);
    return size;
}

/// Whether it makes sense to take the body at all.
Result<std::string> check_upload(const Context& context, const http::Request& request) {
    if (context.refusing)
        return fail(ErrorCode::shutting_down, "the server is shutting down", "send the request to another instance");
    if (auto known = authorize(request, context.config.server.api_keys); !known) return std::unexpected(known.error());
    auto boundary = http::MultipartParser::boundary_of(request.header("content-type"));
    if (boundary && announced_size(request) > context.config.server.max_body_bytes + kFormLines)
        return std::unexpected(Transcription::too_large(context));
    return boundary;
}

void add_upload(http::Router& router, Context& context, const char* path, Task task) {
    router.add(
        {.method = Method::post,
         .pattern = path,
         .receive = [&context, task](const RequestPtr& request, Respond respond) -> std::shared_ptr<http::BodyReader> {
             const auto boundary = check_upload(context, *request);
             if (boundary)
                 return std::make_shared<Transcription>(context, request, std::move(respond), task, *boundary);
             const auto& error = boundary.error();
             context.metrics.error(to_string(error.code));
             respond(respond_error(error, request.get(),
                                   error.code == ErrorCode::shutting_down ? std::optional(5) : std::nullopt));
             return nullptr;
         }});
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

    const auto created =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    const auto get = [&](const char* path, std::function<Result<std::string>(const http::Request&)> make) {
        router.add({.pattern = path,
                    .handle = [&context, make = std::move(make)](const RequestPtr& request, const Respond& respond) {
                        const auto known = authorize(*request, context.config.server.api_keys);
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
