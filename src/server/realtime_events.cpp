#include "server/realtime_events.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <format>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "asr/tokens.hpp"
#include "audio/pcm.hpp"
#include "hotmic/error.hpp"
#include "hotmic/live_stream.hpp"
#include "hotmic/units.hpp"
#include "server/realtime_config.hpp"
#include "server/realtime_wire.hpp"
#include "text/json.hpp"
#include "text/utf8.hpp"

namespace hotmic::server {
namespace {

constexpr std::string_view kTranscription = "conversation.item.input_audio_transcription.";

std::string transcription(std::string_view event) {
    return std::string(kTranscription) += event;
}

std::int64_t milliseconds_of(Seconds time) {
    return std::llround(to_ms(time));
}

std::string format_name(const audio::PcmFormat& format) {
    using enum audio::PcmFormat::Encoding;
    return format.encoding == ulaw ? "audio/pcmu" : format.encoding == alaw ? "audio/pcma" : "audio/pcm";
}

wire::RealtimeError realtime_error_of(const Error& error) {
    const auto& spec = spec_of(error.code);
    return {.type = std::string(spec.openai_type),
            .code = std::string(spec.name),
            .message = valid_utf8(error.describe()),
            .param = error.param.empty() ? std::nullopt : std::optional(valid_utf8(error.param)),
            .event_id = {}};
}

}  // namespace

void RealtimeEvents::send(const auto& event) const {
    socket_->send(to_json(event));
}

void RealtimeEvents::send_whole(const auto& event) const {
    socket_->send(to_json<JsonOptions{{.skip_null_members = false}}>(event));
}

std::string RealtimeEvents::next_event() {
    return std::format("event_{}_{}", id_, ++events_);
}

std::string RealtimeEvents::next_item() {
    return std::format("item_{}_{}", id_, ++items_);
}

void RealtimeEvents::session(const std::string& type, const RealtimeConfig& config) {
    wire::SessionInput input{.format = {format_name(config.format), config.format.rate}, .transcription = {}};
    const auto entry = context_.catalog.find(config.model);
    input.transcription.model = entry ? (*entry)->name : config.model;
    if (!config.language.empty()) input.transcription.language = config.language;
    if (!config.languages.empty()) input.transcription.languages = config.languages;
    if (!config.prompt.empty()) input.transcription.prompt = config.prompt;
    if (const auto& turns = config.turn_detection) {
        input.turn_detection =
            wire::SessionTurns{turns->type, turns->threshold, turns->prefix_padding.count(), turns->silence.count()};
    }
    wire::RealtimeSession session{.id = "sess_" + id_, .audio = {std::move(input)}};
    if (config.logprobs) session.include = {"item.input_audio_transcription.logprobs"};
    send_whole(wire::SessionEvent{type, next_event(), std::move(session)});
}

void RealtimeEvents::speech_started(const Turn& turn, Seconds at) {
    send(wire::SpeechEvent{.type = "input_audio_buffer.speech_started",
                           .event_id = next_event(),
                           .item_id = turn.item,
                           .audio_start_ms = milliseconds_of(at)});
}

void RealtimeEvents::speech_stopped(const Turn& turn, Seconds at) {
    send(wire::SpeechEvent{.type = "input_audio_buffer.speech_stopped",
                           .event_id = next_event(),
                           .item_id = turn.item,
                           .audio_end_ms = milliseconds_of(at)});
}

void RealtimeEvents::committed(Turn& turn) {
    const auto previous = std::exchange(last_item_, turn.item);
    const auto before = previous.empty() ? std::nullopt : std::optional(previous);
    turn.committed = true;
    send_whole(wire::CommittedEvent{"input_audio_buffer.committed", next_event(), turn.item, before});
    const wire::Item item{.id = turn.item, .content = {{}}};
    if (beta_) return send_whole(wire::ItemEvent{"conversation.item.created", next_event(), before, item});
    send_whole(wire::ItemEvent{"conversation.item.added", next_event(), before, item});
    send_whole(wire::ItemEvent{"conversation.item.done", next_event(), before, item});
}

void RealtimeEvents::delta(Turn& turn, const std::string& text) {
    if (text.size() <= turn.told.size() || !text.starts_with(turn.told)) return;
    send(wire::DeltaEvent{transcription("delta"), next_event(), turn.item, 0, text.substr(turn.told.size())});
    turn.told = text;
}

void RealtimeEvents::segment(const Turn& turn, const LiveEvent& event, Seconds offset) {
    if (event.words.empty()) return;
    send(wire::SegmentEvent{.type = transcription("segment"),
                            .event_id = next_event(),
                            .item_id = turn.item,
                            .id = "seg_" + turn.item,
                            .text = event.text,
                            .start = Seconds(offset + event.words.front().start).count(),
                            .end = Seconds(offset + event.words.back().end).count()});
}

void RealtimeEvents::completed(const Turn& turn, const LiveEvent& event, bool logprobs) {
    wire::CompletedEvent completed{.type = transcription("completed"),
                                   .event_id = next_event(),
                                   .item_id = turn.item,
                                   .transcript = event.text,
                                   .usage = {.seconds = turn.length.count()}};
    if (logprobs) {
        auto& told = completed.logprobs.emplace();
        for (const auto& [token, probability] : tokens_of(event.text, event.words)) {
            told.push_back({token, std::log(std::clamp(probability, 1e-9, 1.0)), {token.begin(), token.end()}});
            for (auto& byte : told.back().bytes) byte &= 0xFF;
        }
    }
    send(completed);
}

void RealtimeEvents::failed(const Turn& turn, const Error& error) {
    context_.metrics.error(to_string(error.code));
    send_whole(wire::FailedEvent{transcription("failed"), next_event(), turn.item, 0, realtime_error_of(error)});
}

void RealtimeEvents::cleared() {
    send(wire::BareEvent{"input_audio_buffer.cleared", next_event()});
}

void RealtimeEvents::refused(const Error& error, const std::string& cause) {
    context_.metrics.error(to_string(error.code));
    auto told = realtime_error_of(error);
    // Its clients compare this name.
    if (error.code == ErrorCode::audio_empty) told.code = "input_audio_buffer_commit_empty";
    if (!cause.empty()) told.event_id = valid_utf8(cause);
    send_whole(wire::ErrorEvent{"error", next_event(), std::move(told)});
}

}  // namespace hotmic::server
