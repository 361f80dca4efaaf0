#include "server/realtime_session.hpp"

#include <algorithm>
#include <chrono>
#include <format>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "asr/languages.hpp"
#include "hotmic/error.hpp"
#include "hotmic/live_stream.hpp"
#include "hotmic/units.hpp"
#include "server/catalog.hpp"
#include "server/clients.hpp"
#include "server/context.hpp"
#include "server/live_input.hpp"

namespace hotmic::server {
namespace {

constexpr std::string_view kAppend = "input_audio_buffer.append";
/// OpenAI's least.
constexpr Seconds kLeastCommit(0.1);
/// Of what is still being recognized when the server ends.
constexpr std::chrono::seconds kLastWords{2};
constexpr std::string_view kShuttingDown = "the server is shutting down";

/// Told now, and not with every turn. What a model knows is known once it is loaded.
Result<void> check_language(const std::string& language, const CatalogEntry& entry, std::string_view field) {
    if (language.empty() || language == "auto") return {};
    const auto code = language_code(language);
    const auto info = entry.model->health().info;
    const bool spoken = code && (!info || info->capabilities.languages.empty() ||
                                 std::ranges::contains(info->capabilities.languages, *code));
    if (spoken) return {};
    return fail(ErrorCode::unsupported_language,
                code ? std::format("{} does not know \"{}\"", entry.name, language)
                     : std::format("\"{}\" is no language", language),
                "give an ISO 639-1 code of a language that the model knows, or leave it out",
                std::format("session.{}", field));
}

}  // namespace

RealtimeSession::RealtimeSession(Context& context, std::shared_ptr<Socket> socket, std::string id)
    : context_(context), socket_(std::move(socket)), id_(std::move(id)), events_(context, socket_, id_) {}

void RealtimeSession::begin(const std::string& model, Clients::Ticket share) {
    share_ = std::move(share);
    if (context_.catalog.find(model)) config_.model = model;
    events_.session("session.created", config_);
}

void RealtimeSession::refuse_connection(const Error& error, Close code) {
    refuse(error);
    socket_->close(code, std::string(to_string(error.code)));
}

// --- what the client says ---

void RealtimeSession::on_text(std::string_view text) {
    event_id_.clear();
    if (text.size() <= kMostOnLoop) return take(read(text));
    const auto begun = apart(
        context_, *socket_, weak_from_this(), [text] { return read(text); },
        [this](Message message) { take(std::move(message)); });
    if (!begun) refuse(too_much_to_hear());
}

void RealtimeSession::on_binary(std::string_view) {
    event_id_.clear();
    refuse({ErrorCode::invalid_request, "this protocol has no binary messages",
            "send audio as base64 in input_audio_buffer.append"});
}

void RealtimeSession::on_shutdown() {
    ending_ = true;
    if (input_) input_->stream().finish();
    if (!input_ && retired_.empty()) return socket_->close(Close::going_away, std::string(kShuttingDown));
    socket_->every(kLastWords, [socket = std::weak_ptr(socket_)] {
        if (const auto there = socket.lock()) there->close(Close::going_away, std::string(kShuttingDown));
    });
}

RealtimeSession::Message RealtimeSession::read(std::string_view text) {
    Message message;
    auto& event = message.event;
    if (const auto problem = glz::read_json(event, text);
        problem || !event.is_object() || !event.contains("type") || !event["type"].is_string()) {
        message.problem = {ErrorCode::invalid_request,
                           "the message is no JSON object with a type" +
                               (problem ? ": " + glz::format_error(problem, text) : std::string{}),
                           R"(send one like {"type": "input_audio_buffer.append", "audio": "…"})"};
        return message;
    }
    if (event.contains("event_id") && event["event_id"].is_string()) message.id = event["event_id"].get_string();
    message.type = event["type"].get_string();
    if (message.type == kAppend && event.contains("audio") && event["audio"].is_string()) {
        message.audio = decode_base64(event["audio"].get_string(), "audio");
        event = glz::generic{};
    }
    return message;
}

void RealtimeSession::take(Message message) {
    if (message.problem) return refuse(*message.problem);
    event_id_ = std::move(message.id);
    auto done = message.type == kAppend ? append(std::move(message)) : handle(message.type, message.event);
    if (!done) refuse(done.error());
}

Result<void> RealtimeSession::handle(const std::string& type, const glz::generic& event) {
    if (type == "session.update" || type == "transcription_session.update") return update(type, event);
    if (type == "input_audio_buffer.commit") return commit();
    if (type == "input_audio_buffer.clear") return clear();
    return fail(ErrorCode::invalid_request, std::format("\"{}\" is no event of a transcription session", type),
                "there are session.update, input_audio_buffer.append, .commit and .clear", "type");
}

Result<void> RealtimeSession::update(const std::string& type, const glz::generic& event) {
    auto next = config_;
    if (!event.contains("session")) return fail(ErrorCode::invalid_request, "the event has no session", "", "session");
    if (auto updated = next.update(event["session"]); !updated) return updated;
    const auto known = context_.catalog.find(next.model);
    if (!known) return std::unexpected(known.error());
    for (const auto& language : next.languages)
        if (auto fits = check_language(language, **known, "languages"); !fits) return fits;
    if (auto fits = check_language(next.language, **known, "language"); !fits) return fits;
    if (!(next == config_)) retire();
    config_ = std::move(next);
    const bool beta = type.starts_with("transcription_");
    events_.speak_beta(beta);
    events_.session(beta ? "transcription_session.updated" : "session.updated", config_);
    return {};
}

Result<void> RealtimeSession::append(Message message) {
    if (!message.audio) return fail(ErrorCode::invalid_request, "audio is not text", "send base64", "audio");
    auto& bytes = *message.audio;
    if (!bytes) return std::unexpected(bytes.error());
    if (ending_) return {};
    if (!input_) {
        if (auto opened = open(); !opened) return opened;
    }
    if (bytes->size() <= kMostOnLoop) return input_->push(*bytes);
    const auto begun = apart(
        context_, *socket_, weak_from_this(),
        [input = input_, bytes = *std::move(bytes)] { return input->push(bytes); },
        [this](const Result<void>& pushed) {
            if (!pushed) refuse(pushed.error());
        });
    return begun ? Result<void>{} : std::unexpected(too_much_to_hear());
}

Result<void> RealtimeSession::commit() {
    const auto appended = input_ ? input_->received() - taken_ : Seconds{};
    const bool manual = !config_.turn_detection;
    if (manual && appended < kLeastCommit) {
        return fail(ErrorCode::audio_empty,
                    std::format("buffer too small: {:.0f} ms of audio, expected at least 100 ms", to_ms(appended)),
                    "append more before committing");
    }
    const auto committed = input_ ? input_->stream().commit() : Seconds{};
    if (!manual && committed == Seconds::zero())
        return fail(ErrorCode::audio_empty, "there is no speech to commit", "turn detection commits by itself");
    if (input_) taken_ = input_->received();
    return {};
}

Result<void> RealtimeSession::clear() {
    if (input_) input_->stream().clear();
    if (input_) taken_ = input_->received();
    events_.cleared();
    return {};
}

// --- its streams ---

Result<void> RealtimeSession::open() {
    const auto series = ++series_;
    auto opened = LiveInput::open(context_, socket_->peer(), config_.model, config_.format, config_.live_options(id_),
                                  socket_->poster(), weak_from_this(),
                                  [this, series](const LiveEvent& event) { take_event(series, event); });
    if (!opened) return std::unexpected(std::move(opened).error());
    input_ = *std::move(opened);
    before_of_[series] = before_;
    taken_ = {};
    return {};
}

void RealtimeSession::retire() {
    if (!input_) return;
    before_ += input_->received();
    input_->stream().finish();
    retired_[series_] = std::move(input_);
}

void RealtimeSession::take_event(int series, const LiveEvent& event) {
    using Kind = LiveEvent::Kind;
    const auto offset = before_of_[series];
    // Without turn detection a client learns of an item when it is committed.
    const bool detects = config_.turn_detection.has_value();
    auto& turn = turns_[{series, event.utterance}];
    switch (event.kind) {
        case Kind::speech_started:
            if (turn.item.empty()) turn.item = events_.next_item();
            if (detects) events_.speech_started(turn, offset + event.start);
            break;
        case Kind::speech_stopped:
            if (detects) events_.speech_stopped(turn, offset + event.end);
            events_.committed(turn);
            turn.length = event.end - event.start;
            break;
        case Kind::partial:
            if (detects || turn.committed) events_.delta(turn, event.stable);
            break;
        case Kind::final:
            events_.delta(turn, event.text);
            events_.segment(turn, event, offset);
            events_.completed(turn, event, config_.logprobs);
            turns_.erase({series, event.utterance});
            break;
        case Kind::failed:
        case Kind::dropped:
            events_.failed(
                turn, event.error.value_or(Error{ErrorCode::queue_timeout,
                                                 "the audio came faster than it could be recognized and was dropped",
                                                 "send it slower, or give the model more slots"}));
            turns_.erase({series, event.utterance});
            break;
        case Kind::lost:
            event_id_.clear();
            refuse(*event.error);
            socket_->close(Close::failed, std::string(to_string(event.error->code)));
            break;
        case Kind::ended:
            forget_stream(series);
            break;
        case Kind::model_ready:
        case Kind::model_changed:
            break;
    }
}

void RealtimeSession::forget_stream(int series) {
    retired_.erase(series);
    if (series == series_) input_.reset();
    before_of_.erase(series);
    std::erase_if(turns_, [&](const auto& each) { return each.first.first == series; });
    if (ending_ && retired_.empty()) socket_->close(Close::going_away, std::string(kShuttingDown));
}

}  // namespace hotmic::server
