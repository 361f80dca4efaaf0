#include "server/echopanel_session.hpp"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <format>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "audio/pcm.hpp"
#include "hotmic/error.hpp"
#include "hotmic/live_stream.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"
#include "server/clients.hpp"
#include "server/context.hpp"
#include "server/echopanel_wire.hpp"
#include "server/live_input.hpp"
#include "text/hex.hpp"
#include "text/json.hpp"
#include "text/utf8.hpp"

namespace hotmic::server {
namespace {

constexpr Seconds kMaxBacklog(60);
constexpr std::chrono::seconds kToFinish{8};
constexpr std::chrono::seconds kBetweenMetrics{1};
constexpr std::size_t kMaxSources = 2;
constexpr std::size_t kMaxSessionId = 256;
/// A frame of EchoPanel's queue: 20 ms of its 16 kHz PCM16.
constexpr Seconds kFrame(0.02);
constexpr double kBytesPerSecond = 32'000;

std::string_view echopanel_level(std::string_view level) {
    if (level == "fewer_partials") return "WARNING";
    if (level == "no_partials") return "DEGRADE";
    return level == "late_finals" ? "EMERGENCY" : "NORMAL";
}

double rounded(double value) {
    return std::round(value * 1000) / 1000;
}

double rounded(Seconds time) {
    return rounded(time.count());
}

/// As EchoPanel makes it: of the source, the times and the text without case and repeated spaces.
std::string segment_id(const wire::AsrText& text) {
    std::string plain;
    for (const char c : text.text) {
        const bool space = c == ' ' || c == '\n' || c == '\t';
        if (space && (plain.empty() || plain.back() == ' ')) continue;
        plain += space ? ' ' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    if (plain.ends_with(' ')) plain.pop_back();
    const auto whole = std::format("{}|{:.3f}|{:.3f}|{}", text.source, text.t0, text.t1, plain);
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    SHA256(reinterpret_cast<const unsigned char*>(whole.data()), whole.size(), digest.data());
    return "seg_" + hex_of(std::span(digest).first(8));
}

std::uint64_t frames(Seconds audio) {
    return static_cast<std::uint64_t>(std::llround(audio / kFrame));
}

}  // namespace

void LiveListener::stamp(auto& message) const {
    message.session_id = session_id_;
    message.attempt_id = attempt_id_;
    message.connection_id = connection_id_;
}

void LiveListener::send(auto message) const {
    stamp(message);
    socket_->send(to_json(message));
}

void LiveListener::tell_status(wire::Status status) const {
    send(std::move(status));
}

void LiveListener::begin(Clients::Ticket share) {
    share_ = std::move(share);
    tell_status({.state = "connected", .message = "Connected, waiting for start"});
    socket_->every(kBetweenMetrics, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->tell_metrics();
    });
}

void LiveListener::refuse(const std::string& message, Close code) {
    tell_status({.state = "error", .message = message});
    socket_->close(code, message);
}

void LiveListener::on_text(std::string_view text) {
    if (text.size() <= kMostOnLoop) return take(read(text));
    const auto begun = apart(
        context_, *socket_, weak_from_this(), [text] { return read(text); },
        [this](Message message) { take(std::move(message)); });
    if (!begun) complain(too_much_to_hear());
}

void LiveListener::on_binary(std::string_view bytes) {
    constexpr std::string_view kMagic("EP\x01", 3);
    std::string source = "system";
    if (bytes.starts_with(kMagic) && bytes.size() > kMagic.size()) {
        source = bytes[kMagic.size()] == 1 ? "mic" : "system";
        bytes.remove_prefix(kMagic.size() + 1);
    }
    const auto audio = std::as_bytes(std::span(bytes));
    if (auto done = take_audio(source, {audio.begin(), audio.end()}); !done) complain(done.error());
}

LiveListener::Message LiveListener::read(std::string_view text) {
    Message message;
    constexpr auto kTolerant = glz::opts{.null_terminated = false, .error_on_unknown_keys = false};
    if (const auto problem = glz::read<kTolerant>(message.told, text)) {
        message.problem = {ErrorCode::invalid_request,
                           "the message is no JSON object of this protocol: " + glz::format_error(problem, text)};
    } else if (message.told.type == "audio") {
        message.audio = decode_base64(message.told.data, "data");
        message.told.data = {};
    }
    return message;
}

void LiveListener::take(Message message) {
    if (message.problem) return complain(*message.problem);
    auto done = message.audio ? take_audio(std::move(message)) : handle(message.told);
    if (!done) complain(done.error());
}

Result<void> LiveListener::take_audio(Message message) {
    if (!started_ || stopped_) return {};
    if (!*message.audio) return std::unexpected(message.audio->error());
    return take_audio(message.told.source == "microphone" ? "mic" : message.told.source, **std::move(message.audio));
}

Result<void> LiveListener::handle(const wire::LiveListenerMessage& message) {
    if (message.type == "start") return start(message);
    if (message.type == "stop") {
        if (session_id_.empty()) session_id_ = message.session_id;
        stop();
        return {};
    }
    if (message.type.empty()) return fail(ErrorCode::invalid_request, "the message has no type", "", "type");
    return fail(ErrorCode::unsupported_parameter,
                std::format("\"{}\" is not served: this server does speech recognition only", message.type),
                "there are start, audio and stop", "type");
}

Result<void> LiveListener::start(const wire::LiveListenerMessage& message) {
    if (started_) return fail(ErrorCode::invalid_request, "this connection has been started already", "", "type");
    if (message.session_id.empty() || message.session_id.size() > kMaxSessionId)
        return fail(ErrorCode::invalid_request, "session_id has to have 1 to 256 characters", "", "session_id");
    session_id_ = message.session_id;
    attempt_id_ = message.attempt_id.value_or("");
    if (message.connection_id) connection_id_ = *message.connection_id;
    features_ = message.client_features.value_or(wire::ClientFeatures{});

    format_ = {.rate = message.sample_rate, .channels = message.channels};
    if (message.format == "pcm_f32le") format_.encoding = audio::PcmFormat::Encoding::f32;
    auto possible = audio::PcmDecoder::open(format_);
    if (!possible || (message.format != "pcm_s16le" && message.format != "pcm_f32le")) {
        const auto what = std::format("Unsupported audio format: {} at {} Hz, {} channels", message.format,
                                      message.sample_rate, message.channels);
        complain({ErrorCode::unsupported_parameter, what, "send pcm_s16le or pcm_f32le", "format"});
        socket_->close(Close::policy, what.substr(0, 100));
        return {};
    }
    if (const auto live = context_.live.status(); live.streams >= live.max_streams) {
        refuse("Server at capacity, please try again later", Close::policy);
        return {};
    }
    started_ = true;
    tell_status({.state = "streaming", .message = "Streaming", .client_features = features_});
    if (const auto entry = context_.catalog.find(""); entry) {
        const auto health = context_.catalog.serving(*entry)->model->health();
        if (!health.ready)
            tell_status({.state = "warning", .message = health.reason + "; what is said meanwhile is kept"});
    }
    return {};
}

Result<void> LiveListener::take_audio(const std::string& name, std::vector<std::byte> bytes) {
    if (!started_ || stopped_) return {};  // as the original: it is neither wanted nor an error
    auto source = sources_.find(name);
    if (source == sources_.end()) {
        if (sources_.size() >= kMaxSources) {
            if (!std::exchange(third_told_, true))
                tell_status(
                    {.state = "warning", .message = "more than two sources; this one is ignored", .source = name});
            return {};
        }
        auto input = LiveInput::open(
            context_, socket_->peer(), "", format_, {.max_backlog = kMaxBacklog, .id = connection_id_ + "/" + name},
            socket_->poster(), weak_from_this(), [this, name](const LiveEvent& event) { take_event(name, event); });
        if (!input && input.error().code == ErrorCode::queue_full) {
            refuse("Server at capacity, please try again later", Close::policy);
            return {};
        }
        if (!input) return std::unexpected(std::move(input).error());
        source = sources_.emplace(name, Source{.input = *std::move(input)}).first;
    }
    const auto& input = source->second.input;
    if (bytes.size() <= kMostOnLoop) return input->push(bytes);
    const auto begun = apart(
        context_, *socket_, weak_from_this(), [input, bytes = std::move(bytes)] { return input->push(bytes); },
        [this](const Result<void>& pushed) {
            if (!pushed) complain(pushed.error());
        });
    return begun ? Result<void>{} : std::unexpected(too_much_to_hear());
}

void LiveListener::take_event(const std::string& name, const LiveEvent& event) {
    using Kind = LiveEvent::Kind;
    auto& source = sources_.at(name);
    switch (event.kind) {
        case Kind::partial:
            tell_text("asr_partial", name, event);
            break;
        case Kind::final:
            if (!event.text.empty()) transcript_.push_back(tell_text("asr_final", name, event));
            break;
        case Kind::dropped:
            if (!std::exchange(source.pressed, true)) {
                const auto status = source.input->stream().status();
                tell_status({.state = "backpressure",
                             .message = "audio comes faster than it can be recognized",
                             .source = name,
                             .dropped_frames = frames(status.dropped),
                             .dropped_seconds = rounded(status.dropped),
                             .backlog_seconds = rounded(status.backlog)});
            }
            break;
        case Kind::failed:
            complain(*event.error);
            break;
        case Kind::model_changed:
            tell_status({.state = "warning", .message = "the model was replaced; the stream goes on", .source = name});
            break;
        case Kind::lost:
            context_.metrics.error(to_string(event.error->code));
            tell_status({.state = "no_asr_provider", .message = valid_utf8(event.error->describe()), .source = name});
            source.ended = true;
            if (stopped_) summarize_if_done();
            break;
        case Kind::ended:
            source.ended = true;
            summarize_if_done();
            break;
        case Kind::model_ready:
        case Kind::speech_started:
        case Kind::speech_stopped:
            break;
    }
}

wire::AsrText LiveListener::tell_text(const std::string& type, const std::string& source, const LiveEvent& event) {
    const bool final = event.kind == LiveEvent::Kind::final;
    wire::AsrText text{.type = type,
                       .t0 = rounded(event.start),
                       .t1 = rounded(event.end),
                       .text = event.text,
                       .stable = final || event.stable == event.text,
                       .confidence = rounded(event.confidence),
                       .source = source};
    if (!event.language.empty()) text.language = event.language;
    if (final) text.segment_id = segment_id(text);
    stamp(text);
    socket_->send(to_json(text));
    return text;
}

void LiveListener::stop() {
    if (std::exchange(stopped_, true)) return;
    for (auto& [name, source] : sources_) source.input->stream().finish();
    socket_->every(kToFinish, [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self || self->summarized_) return;
        self->tell_status({.state = "warning", .message = "what was said last could not be recognized in 8 s"});
        self->summarize();
    });
    summarize_if_done();
}

void LiveListener::summarize_if_done() {
    if (!stopped_ || !std::ranges::all_of(sources_ | std::views::values, &Source::ended)) return;
    summarize();
}

void LiveListener::summarize() {
    if (std::exchange(summarized_, true)) return;
    std::ranges::stable_sort(transcript_, {}, &wire::AsrText::t0);
    std::string markdown = "# Transcript\n";
    for (const auto& line : transcript_) {
        const auto seconds = static_cast<int>(line.t0);
        markdown += std::format("\n- [{:02}:{:02}] {}: {}", seconds / 60, seconds % 60, line.source, line.text);
    }
    send(wire::FinalSummary{
        .markdown = markdown + "\n",
        .json = {.session_id = session_id_, .transcript = transcript_, .client_features = features_}});
    socket_->close(Close::done, "");
}

void LiveListener::tell_metrics() {
    if (!started_ || stopped_) return;
    const auto live = context_.live.status();
    const std::string level(echopanel_level(live.level));
    if (level != level_) {
        level_ = level;
        tell_status({.state = level == "NORMAL" ? "streaming" : "warning",
                     .message = "live recognition: " + live.level,
                     .degrade_level = level});
    }
    for (auto& [name, source] : sources_) tell_metrics(name, source);
}

void LiveListener::tell_metrics(const std::string& name, Source& source) {
    const auto status = source.input->stream().status();
    const auto entry = context_.catalog.serving(source.input->model());
    const auto health = entry->model->health();
    const double fill = status.backlog / kMaxBacklog;
    const auto dropped = status.dropped - std::exchange(source.dropped_before, status.dropped);
    source.worst_backlog = std::max(source.worst_backlog, status.backlog);
    // Told at its beginning; told again only after it has been over.
    constexpr double kRelief = 0.70;
    constexpr double kBuffering = 0.85;
    constexpr double kOverloaded = 0.95;
    if (fill > kBuffering) {
        tell_status({.state = fill > kOverloaded ? "overloaded" : "buffering",
                     .message = "recognition is behind",
                     .source = name,
                     .backlog_seconds = rounded(status.backlog)});
    }
    if (fill < kRelief) source.pressed = false;

    wire::SourceMetrics metrics{
        .source = name,
        .queue_bytes = static_cast<std::uint64_t>(status.backlog.count() * kBytesPerSecond),
        .queue_bytes_max = static_cast<std::uint64_t>(kMaxBacklog.count() * kBytesPerSecond),
        .queue_fill_ratio = rounded(fill),
        .backlog_seconds = rounded(status.backlog),
        .max_backlog_seconds = rounded(source.worst_backlog),
        .queue_depth = frames(status.backlog),
        .queue_max_frames = frames(kMaxBacklog),
        .dropped_total = frames(status.dropped),
        .dropped_recent = frames(dropped),
        .avg_infer_ms = rounded(to_ms(status.mean_decode)),
        .avg_processing_ms = rounded(to_ms(status.mean_decode)),
        .realtime_factor = status.received > Seconds::zero() ? rounded(status.decoding / status.received) : 0,
        .provider = health.provider,
        .model_id = entry->name,
        .provider_health = std::string(to_string(health.state)),
        .degrade_level = level_,
        .timestamp = rounded(to_s(std::chrono::system_clock::now().time_since_epoch())),
        .clock_drift_compensation_enabled = features_.clock_drift_compensation_enabled,
        .client_vad_enabled = features_.client_vad_enabled,
        .clock_drift_telemetry_enabled = features_.clock_drift_telemetry_enabled,
        .client_vad_telemetry_enabled = features_.client_vad_telemetry_enabled};
    recent_drops_[name].push_back(frames(dropped));
    if (recent_drops_[name].size() > 10) recent_drops_[name].pop_front();
    for (const auto count : recent_drops_[name]) metrics.dropped_chunks_last_10s += count;
    for (const auto& [each, ignored] : sources_) metrics.sources_active.push_back(each);
    send(std::move(metrics));
}

void LiveListener::complain(const Error& error) const {
    context_.metrics.error(to_string(error.code));
    send(wire::Problem{.message = valid_utf8(error.describe()), .code = std::string(to_string(error.code))});
}

}  // namespace hotmic::server
