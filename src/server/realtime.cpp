/// OpenAI's Realtime API, as far as it transcribes: WebSocket /v1/realtime.
/// https://platform.openai.com/docs/guides/realtime-transcription
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <ranges>
#include <utility>

#include "server/live_input.hpp"
#include "server/realtime_config.hpp"
#include "server/responses.hpp"
#include "text/json.hpp"
#include "text/utf8.hpp"

namespace hotmic::server {
namespace wire {

using OptionalText = std::optional<std::string>;

struct AudioFormat {
    std::string type;
    int rate = 0;
};
struct SessionTranscription {
    std::string model;
    OptionalText language;
    OptionalText prompt;
};
struct SessionTurns {
    std::string type;
    double threshold = 0;
    std::int64_t prefix_padding_ms = 0;
    std::int64_t silence_duration_ms = 0;
};
struct SessionInput {
    AudioFormat format;
    OptionalText noise_reduction;  // none is done, whatever was asked for
    SessionTranscription transcription;
    std::optional<SessionTurns> turn_detection;
};
struct SessionAudio {
    SessionInput input;
};
struct RealtimeSession {
    std::string id;
    std::string object = "realtime.transcription_session";
    std::string type = "transcription";
    std::int64_t expires_at = 0;  // never
    SessionAudio audio;
    std::optional<std::vector<std::string>> include;
};
struct SessionEvent {
    std::string type;
    std::string event_id;
    RealtimeSession session;
};

struct RealtimeError {
    std::string type;
    std::string code;
    std::string message;
    OptionalText param;
    OptionalText event_id;
};
struct ErrorEvent {
    std::string type;
    std::string event_id;
    RealtimeError error;
};

struct SpeechEvent {
    std::string type;
    std::string event_id;
    std::string item_id;
    std::optional<std::int64_t> audio_start_ms;
    std::optional<std::int64_t> audio_end_ms;
};
struct CommittedEvent {
    std::string type;
    std::string event_id;
    std::string item_id;
    OptionalText previous_item_id;
};
struct ItemContent {
    std::string type = "input_audio";
    OptionalText transcript;
};
struct Item {
    std::string id;
    std::string object = "realtime.item";
    std::string type = "message";
    std::string role = "user";
    std::string status = "completed";
    std::vector<ItemContent> content;
};
struct ItemEvent {
    std::string type;
    std::string event_id;
    OptionalText previous_item_id;
    Item item;
};

struct Logprob {
    std::string token;
    double logprob = 0;
    std::vector<int> bytes;
};
struct Usage {
    std::string type = "duration";
    double seconds = 0;
};
struct DeltaEvent {
    std::string type;
    std::string event_id;
    std::string item_id;
    int content_index = 0;
    std::string delta;
};
struct SegmentEvent {
    std::string type;
    std::string event_id;
    std::string item_id;
    int content_index = 0;
    std::string id;
    std::string text;
    std::string speaker;  // nobody is told from anybody
    double start = 0;     // seconds of the session's audio
    double end = 0;
};
struct CompletedEvent {
    std::string type;
    std::string event_id;
    std::string item_id;
    int content_index = 0;
    std::string transcript;
    Usage usage;
    std::optional<std::vector<Logprob>> logprobs;
};
struct FailedEvent {
    std::string type;
    std::string event_id;
    std::string item_id;
    int content_index = 0;
    RealtimeError error;
};
struct BareEvent {
    std::string type;
    std::string event_id;
};

}  // namespace wire

namespace {

constexpr std::string_view kTranscription = "conversation.item.input_audio_transcription.";
/// OpenAI's least.
constexpr double kLeastCommit = 0.1;
/// Of what is still being recognized when the server ends.
constexpr double kFlushSeconds = 2;

std::int64_t milliseconds(double seconds) {
    return std::llround(seconds * 1000);
}

std::string format_name(const audio::PcmFormat& format) {
    using Encoding = audio::PcmFormat::Encoding;
    return format.encoding == Encoding::ulaw   ? "audio/pcmu"
           : format.encoding == Encoding::alaw ? "audio/pcma"
                                               : "audio/pcm";
}

class RealtimeSession final : public SocketSession, public std::enable_shared_from_this<RealtimeSession> {
public:
    RealtimeSession(Context& context, std::shared_ptr<Socket> socket, std::string id)
        : context_(context), socket_(std::move(socket)), id_(std::move(id)) {}

    /// `model`: what the URL names, for transcription where it is one of ours.
    void begin(const std::string& model) {
        if (context_.catalog.find(model)) config_.model = model;
        send_session("session.created");
    }

    void refuse_connection(const Error& error, Close code) {
        refuse(error);
        socket_->close(code, std::string(to_string(error.code)));
    }

    void on_text(std::string_view text) override {
        glz::generic event;
        event_id_.clear();
        if (const auto problem = glz::read_json(event, text);
            problem || !event.is_object() || !event.contains("type") || !event["type"].is_string()) {
            return refuse({ErrorCode::invalid_request,
                           "the message is no JSON object with a type" +
                               (problem ? ": " + glz::format_error(problem, text) : std::string{}),
                           R"(send one like {"type": "input_audio_buffer.append", "audio": "…"})"});
        }
        if (event.contains("event_id") && event["event_id"].is_string()) event_id_ = event["event_id"].get_string();
        if (auto done = handle(event["type"].get_string(), event); !done) refuse(done.error());
    }

    void on_binary(std::string_view) override {
        event_id_.clear();
        refuse({ErrorCode::invalid_request, "this protocol has no binary messages",
                "send audio as base64 in input_audio_buffer.append"});
    }

    void on_shutdown() override {
        ending_ = true;
        if (input_) input_->stream().finish();
        if (!input_ && retired_.empty()) return socket_->close(Close::going_away, "the server is shutting down");
        socket_->every(kFlushSeconds, [socket = std::weak_ptr(socket_)] {
            if (const auto there = socket.lock()) there->close(Close::going_away, "the server is shutting down");
        });
    }

private:
    struct Turn {
        std::string item;
        std::string told;  // of its text, by deltas
        bool committed = false;
        double seconds = 0;
    };
    /// A stream whose options have been changed meanwhile: it ends what it has begun.
    using InputPtr = std::shared_ptr<LiveInput>;

    Result<void> handle(const std::string& type, const glz::generic& event) {
        if (type == "session.update" || type == "transcription_session.update") return update(type, event);
        if (type == "input_audio_buffer.append") return append(event);
        if (type == "input_audio_buffer.commit") return commit();
        if (type == "input_audio_buffer.clear") return clear();
        return fail(ErrorCode::invalid_request, std::format("\"{}\" is no event of a transcription session", type),
                    "there are session.update, input_audio_buffer.append, .commit and .clear", "type");
    }

    Result<void> update(const std::string& type, const glz::generic& event) {
        auto next = config_;
        if (!event.contains("session"))
            return fail(ErrorCode::invalid_request, "the event has no session", "", "session");
        if (auto updated = next.update(event["session"]); !updated) return updated;
        if (auto known = context_.catalog.find(next.model); !known) return std::unexpected(known.error());
        if (!(next == config_)) retire();
        config_ = std::move(next);
        beta_ = type.starts_with("transcription_");
        send_session(beta_ ? "transcription_session.updated" : "session.updated");
        return {};
    }

    Result<void> append(const glz::generic& event) {
        if (!event.contains("audio") || !event["audio"].is_string())
            return fail(ErrorCode::invalid_request, "audio is not text", "send base64", "audio");
        const auto bytes = decode_base64(event["audio"].get_string(), "audio");
        if (!bytes) return std::unexpected(bytes.error());
        if (ending_) return {};
        if (!input_) {
            if (auto opened = open(); !opened) return opened;
        }
        return input_->push(*bytes);
    }

    Result<void> commit() {
        const double seconds = input_ ? input_->seconds() - taken_ : 0;
        const bool manual = !config_.turn_detection;
        if (manual && seconds < kLeastCommit) {
            return fail(ErrorCode::audio_empty,
                        std::format("buffer too small: {:.0f} ms of audio, expected at least 100 ms", seconds * 1000),
                        "append more before committing");
        }
        const double committed = input_ ? input_->stream().commit() : 0;
        if (!manual && committed == 0)
            return fail(ErrorCode::audio_empty, "there is no speech to commit", "turn detection commits by itself");
        if (input_) taken_ = input_->seconds();
        return {};
    }

    Result<void> clear() {
        if (input_) input_->stream().clear();
        if (input_) taken_ = input_->seconds();
        send(wire::BareEvent{"input_audio_buffer.cleared", next_event()});
        return {};
    }

    Result<void> open() {
        const auto series = ++series_;
        auto opened = LiveInput::open(context_, socket_->peer(), config_.model, config_.format,
                                      config_.live_options(id_), socket_->poster(), weak_from_this(),
                                      [this, series](const LiveEvent& event) { take_event(series, event); });
        if (!opened) return std::unexpected(std::move(opened).error());
        input_ = *std::move(opened);
        before_of_[series] = before_;
        taken_ = 0;
        return {};
    }

    void retire() {
        if (!input_) return;
        before_ += input_->seconds();
        input_->stream().finish();
        retired_[series_] = std::move(input_);
    }

    /// Series: which of the streams that followed each other in this session.
    void take_event(int series, const LiveEvent& event) {
        using Kind = LiveEvent::Kind;
        const double offset = before_of_[series];
        auto& turn = turns_[{series, event.utterance}];
        if (turn.item.empty() && event.kind == Kind::speech_started)
            turn.item = std::format("item_{}_{}", id_, ++items_);
        switch (event.kind) {
            case Kind::speech_started:
                if (config_.turn_detection) {
                    send(wire::SpeechEvent{.type = "input_audio_buffer.speech_started",
                                           .event_id = next_event(),
                                           .item_id = turn.item,
                                           .audio_start_ms = milliseconds(offset + event.start)});
                }
                break;
            case Kind::speech_stopped:
                if (config_.turn_detection) {
                    send(wire::SpeechEvent{.type = "input_audio_buffer.speech_stopped",
                                           .event_id = next_event(),
                                           .item_id = turn.item,
                                           .audio_end_ms = milliseconds(offset + event.end)});
                }
                send_committed(turn);
                turn.seconds = event.end - event.start;
                break;
            case Kind::partial:
                // Without turn detection a client learns of the item when it is committed.
                if (config_.turn_detection || turn.committed) send_delta(turn, event.stable);
                break;
            case Kind::final:
                send_delta(turn, event.text);
                send_segment(turn, event, offset);
                send_completed(turn, event);
                turns_.erase({series, event.utterance});
                break;
            case Kind::failed:
            case Kind::dropped:
                send_failed(turn, event);
                turns_.erase({series, event.utterance});
                break;
            case Kind::lost:
                event_id_.clear();
                refuse(*event.error);
                socket_->close(Close::failed, std::string(to_string(event.error->code)));
                break;
            case Kind::ended:
                retired_.erase(series);
                if (series == series_) input_.reset();
                before_of_.erase(series);
                std::erase_if(turns_, [&](const auto& each) { return each.first.first == series; });
                if (ending_ && retired_.empty()) socket_->close(Close::going_away, "the server is shutting down");
                break;
            case Kind::model_ready:
            case Kind::model_changed:
                break;
        }
    }

    void send_committed(Turn& turn) {
        const auto previous = std::exchange(last_item_, turn.item);
        const auto before = previous.empty() ? std::nullopt : std::optional(previous);
        turn.committed = true;
        send_whole(wire::CommittedEvent{"input_audio_buffer.committed", next_event(), turn.item, before});
        const wire::Item item{.id = turn.item, .content = {{}}};
        if (beta_) return send_whole(wire::ItemEvent{"conversation.item.created", next_event(), before, item});
        send_whole(wire::ItemEvent{"conversation.item.added", next_event(), before, item});
        send_whole(wire::ItemEvent{"conversation.item.done", next_event(), before, item});
    }

    /// What is new in `text`, which only ever grows.
    void send_delta(Turn& turn, const std::string& text) {
        if (text.size() <= turn.told.size() || !text.starts_with(turn.told)) return;
        send(wire::DeltaEvent{std::string(kTranscription) + "delta", next_event(), turn.item, 0,
                              text.substr(turn.told.size())});
        turn.told = text;
    }

    /// When it was said, which no other event tells.
    void send_segment(const Turn& turn, const LiveEvent& event, double offset) {
        if (event.words.empty()) return;
        send(wire::SegmentEvent{.type = std::string(kTranscription) + "segment",
                                .event_id = next_event(),
                                .item_id = turn.item,
                                .id = "seg_" + turn.item,
                                .text = event.text,
                                .start = offset + event.words.front().start,
                                .end = offset + event.words.back().end});
    }

    void send_completed(const Turn& turn, const LiveEvent& event) {
        wire::CompletedEvent completed{.type = std::string(kTranscription) + "completed",
                                       .event_id = next_event(),
                                       .item_id = turn.item,
                                       .transcript = event.text,
                                       .usage = {.seconds = turn.seconds}};
        if (config_.logprobs) {
            auto& logprobs = completed.logprobs.emplace();
            for (const auto& word : event.words) {
                logprobs.push_back({word.text,
                                    std::log(std::clamp(word.probability, 1e-9, 1.0)),
                                    {word.text.begin(), word.text.end()}});
                for (auto& byte : logprobs.back().bytes) byte &= 0xFF;
            }
        }
        send(completed);
    }

    void send_failed(const Turn& turn, const LiveEvent& event) {
        const auto error = event.error.value_or(
            Error{ErrorCode::queue_timeout, "the audio came faster than it could be recognized and was dropped",
                  "send it slower, or give the model more slots"});
        context_.metrics.error(to_string(error.code));
        send_whole(
            wire::FailedEvent{std::string(kTranscription) + "failed", next_event(), turn.item, 0, describe(error)});
    }

    static wire::RealtimeError describe(const Error& error) {
        const auto& spec = spec_of(error.code);
        return {.type = std::string(spec.openai_type),
                .code = std::string(spec.name),
                .message = valid_utf8(error.describe()),
                .param = error.param.empty() ? std::nullopt : std::optional(valid_utf8(error.param)),
                .event_id = {}};
    }

    void refuse(const Error& error) {
        context_.metrics.error(to_string(error.code));
        auto told = describe(error);
        if (!event_id_.empty()) told.event_id = valid_utf8(event_id_);
        send_whole(wire::ErrorEvent{"error", next_event(), std::move(told)});
    }

    void send_session(const std::string& type) {
        wire::SessionInput input{.format = {format_name(config_.format), config_.format.rate}, .transcription = {}};
        const auto entry = context_.catalog.find(config_.model);
        input.transcription.model = entry ? (*entry)->name : config_.model;
        if (!config_.language.empty()) input.transcription.language = config_.language;
        if (!config_.prompt.empty()) input.transcription.prompt = config_.prompt;
        if (const auto& turns = config_.turn_detection) {
            input.turn_detection = wire::SessionTurns{turns->type, turns->threshold, turns->prefix_padding.count(),
                                                      turns->silence.count()};
        }
        wire::RealtimeSession session{.id = "sess_" + id_, .audio = {std::move(input)}};
        if (config_.logprobs) session.include = {"item.input_audio_transcription.logprobs"};
        send_whole(wire::SessionEvent{type, next_event(), std::move(session)});
    }

    std::string next_event() { return std::format("event_{}_{}", id_, ++events_); }
    void send(const auto& event) const { socket_->send(to_json(event)); }
    /// Of events in which null is an answer.
    void send_whole(const auto& event) const {
        socket_->send(to_json<JsonOptions{{.skip_null_members = false}}>(event));
    }

    Context& context_;
    const std::shared_ptr<Socket> socket_;
    const std::string id_;
    RealtimeConfig config_;
    InputPtr input_;
    std::map<int, InputPtr> retired_;
    std::map<int, double> before_of_;  // seconds of audio before each stream
    std::map<std::pair<int, std::uint64_t>, Turn> turns_;
    std::string last_item_;
    std::string event_id_;  // of the client's event that is being handled
    double before_ = 0;
    double taken_ = 0;  // seconds of the current stream that were committed or cleared
    int series_ = 0;
    std::uint64_t items_ = 0;
    std::uint64_t events_ = 0;
    bool beta_ = false;
    bool ending_ = false;
};

/// A browser cannot set headers: it gives its key as a subprotocol, or in the URL.
Result<void> authorize_socket(const drogon::HttpRequestPtr& request, const std::vector<std::string>& keys) {
    if (auto known = authorize(request, keys); known) return known;
    constexpr std::string_view kPrefix = "openai-insecure-api-key.";
    for (const std::string_view offered : offered_subprotocols(request)) {
        if (offered.starts_with(kPrefix)) return check_key(offered.substr(kPrefix.size()), keys);
    }
    return check_key(request->getParameter("api_key"), keys);
}

}  // namespace

void register_realtime(Context& context) {
    serve_sockets<RealtimeRoute>(
        context.sockets,
        [&context](const std::shared_ptr<Socket>& socket,
                   const drogon::HttpRequestPtr& request) -> std::shared_ptr<SocketSession> {
            auto session = std::make_shared<RealtimeSession>(context, socket, request_id(request));
            if (auto known = authorize_socket(request, context.config.server.api_keys); !known) {
                session->refuse_connection(known.error(), Close::policy);
                return nullptr;
            }
            if (context.refusing) {
                session->refuse_connection({ErrorCode::shutting_down, "the server is shutting down"},
                                           Close::going_away);
                return nullptr;
            }
            session->begin(request->getParameter("model"));
            return session;
        });
}

}  // namespace hotmic::server
