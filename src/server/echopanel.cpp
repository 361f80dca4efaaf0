/// EchoPanel's live captions: WebSocket /ws/live-listener. Up to two sources at once, each a stream of its own.
/// docs/api.md has the messages. What EchoPanel makes of a transcript beyond it is present and empty.
#include <openssl/sha.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <map>
#include <ranges>
#include <utility>

#include "server/live_input.hpp"
#include "server/responses.hpp"
#include "text/json.hpp"
#include "text/utf8.hpp"

namespace hotmic::server {
namespace wire {

struct ClientFeatures {
    bool clock_drift_compensation_enabled = false;
    bool client_vad_enabled = false;
    bool clock_drift_telemetry_enabled = false;
    bool client_vad_telemetry_enabled = false;
};

/// Any message of a client; what a type does not use is not looked at.
struct LiveListenerMessage {
    std::string type;
    std::string session_id;
    std::optional<std::string> attempt_id;
    std::optional<std::string> connection_id;
    int sample_rate = 16'000;
    std::string format = "pcm_s16le";
    int channels = 1;
    std::optional<ClientFeatures> client_features;
    std::string source = "system";
    std::string data;
};

// Every message of ours ends with the three ids of its session; `stamp` sets them.

struct Status {
    std::string type = "status";
    std::string state;
    std::string message;
    std::optional<std::string> source;
    std::optional<std::string> degrade_level;
    std::optional<std::uint64_t> dropped_frames;
    std::optional<double> dropped_seconds;
    std::optional<double> backlog_seconds;
    std::optional<ClientFeatures> client_features;
    std::string session_id;
    std::string attempt_id;
    std::string connection_id;
};

struct Problem {
    std::string type = "error";
    std::string message;
    std::string code;
    std::string session_id;
    std::string attempt_id;
    std::string connection_id;
};

struct AsrText {
    std::string type;
    double t0 = 0;
    double t1 = 0;
    std::string text;
    bool stable = false;
    double confidence = 0;
    std::string source;
    std::optional<std::string> language;
    std::optional<std::string> segment_id;
    std::string session_id;
    std::string attempt_id;
    std::string connection_id;
};

struct SourceMetrics {
    std::string type = "metrics";
    std::string source;
    std::uint64_t queue_bytes = 0;
    std::uint64_t queue_bytes_max = 0;
    double queue_fill_ratio = 0;
    double backlog_seconds = 0;
    double max_backlog_seconds = 0;
    std::uint64_t queue_depth = 0;
    std::uint64_t queue_max_frames = 0;
    std::uint64_t dropped_total = 0;
    std::uint64_t dropped_recent = 0;
    std::uint64_t dropped_chunks_last_10s = 0;
    double avg_infer_ms = 0;
    double avg_processing_ms = 0;
    double realtime_factor = 0;
    std::string provider;
    std::string model_id;
    bool vad_enabled = true;
    std::string provider_health;
    std::vector<std::string> sources_active;
    std::string degrade_level;
    double timestamp = 0;
    bool clock_drift_compensation_enabled = false;
    bool client_vad_enabled = false;
    bool clock_drift_telemetry_enabled = false;
    bool client_vad_telemetry_enabled = false;
    std::string session_id;
    std::string attempt_id;
    std::string connection_id;
};

struct ClockSpread {
    double last = 0;
    double max = 0;
};
struct Nothing {};
struct Summary {
    std::string session_id;
    std::vector<AsrText> transcript;
    std::vector<int> actions;
    std::vector<int> decisions;
    std::vector<int> risks;
    Nothing entities;
    std::vector<int> diarization;
    ClientFeatures client_features;
    ClockSpread clock_spread_ms;
    Nothing recordings;
};
struct FinalSummary {
    std::string type = "final_summary";
    std::string markdown;
    Summary json;
    std::string session_id;
    std::string attempt_id;
    std::string connection_id;
};

}  // namespace wire

namespace {

constexpr double kMaxBacklogSeconds = 60;
constexpr double kFlushSeconds = 8;
constexpr double kMetricsSeconds = 1;
constexpr std::size_t kMaxSources = 2;
constexpr std::size_t kMaxSessionId = 256;
/// A frame of EchoPanel's queue: 20 ms of its 16 kHz PCM16.
constexpr double kFrameSeconds = 0.02;
constexpr double kBytesPerSecond = 32'000;

std::string_view echopanel_level(std::string_view level) {
    if (level == "fewer_partials") return "WARNING";
    if (level == "no_partials") return "DEGRADE";
    return level == "late_finals" ? "EMERGENCY" : "NORMAL";
}

double rounded(double seconds) {
    return std::round(seconds * 1000) / 1000;
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
    std::string id = "seg_";
    for (const auto byte : std::span(digest).first(8)) id += std::format("{:02x}", byte);
    return id;
}

class LiveListener final : public SocketSession, public std::enable_shared_from_this<LiveListener> {
public:
    LiveListener(Context& context, std::shared_ptr<Socket> socket, std::string connection)
        : context_(context), socket_(std::move(socket)), connection_id_(std::move(connection)) {}

    void begin() {
        tell_status({.state = "connected", .message = "Connected, waiting for start"});
        socket_->every(kMetricsSeconds, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->tell_metrics();
        });
    }

    void refuse(const std::string& message, Close code) {
        tell_status({.state = "error", .message = message});
        socket_->close(code, message);
    }

    void on_text(std::string_view text) override {
        wire::LiveListenerMessage message;
        constexpr auto kTolerant = glz::opts{.null_terminated = false, .error_on_unknown_keys = false};
        if (const auto problem = glz::read<kTolerant>(message, text)) {
            return complain({ErrorCode::invalid_request,
                             "the message is no JSON object of this protocol: " + glz::format_error(problem, text)});
        }
        if (auto done = handle(message); !done) complain(done.error());
    }

    void on_binary(std::string_view bytes) override {
        constexpr std::string_view kMagic("EP\x01", 3);
        std::string source = "system";
        if (bytes.starts_with(kMagic) && bytes.size() > kMagic.size()) {
            source = bytes[kMagic.size()] == 1 ? "mic" : "system";
            bytes.remove_prefix(kMagic.size() + 1);
        }
        if (auto done = take_audio(source, std::as_bytes(std::span(bytes))); !done) complain(done.error());
    }

    void on_shutdown() override { stop(); }

private:
    struct Source {
        std::unique_ptr<LiveInput> input;
        bool ended = false;
        double dropped_before = 0;  // at the last metrics
        double worst_backlog = 0;
        bool pressed = false;  // backpressure has been told and holds
    };

    Result<void> handle(const wire::LiveListenerMessage& message) {
        if (message.type == "start") return start(message);
        if (message.type == "audio") {
            if (!started_ || stopped_) return {};
            const auto bytes = decode_base64(message.data, "data");
            if (!bytes) return std::unexpected(bytes.error());
            return take_audio(message.source == "microphone" ? "mic" : message.source, *bytes);
        }
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

    Result<void> start(const wire::LiveListenerMessage& message) {
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

    Result<void> take_audio(const std::string& name, std::span<const std::byte> bytes) {
        if (!started_ || stopped_) return {};  // as the original: it is neither wanted nor an error
        auto source = sources_.find(name);
        if (source == sources_.end()) {
            if (sources_.size() >= kMaxSources) {
                if (!std::exchange(third_told_, true))
                    tell_status(
                        {.state = "warning", .message = "more than two sources; this one is ignored", .source = name});
                return {};
            }
            auto input = LiveInput::open(context_, socket_->peer(), "", format_,
                                         {.max_backlog_seconds = kMaxBacklogSeconds, .id = connection_id_ + "/" + name},
                                         socket_->poster(), weak_from_this(),
                                         [this, name](const LiveEvent& event) { take_event(name, event); });
            if (!input && input.error().code == ErrorCode::queue_full) {
                refuse("Server at capacity, please try again later", Close::policy);
                return {};
            }
            if (!input) return std::unexpected(std::move(input).error());
            source = sources_.emplace(name, Source{.input = *std::move(input)}).first;
        }
        return source->second.input->push(bytes);
    }

    void take_event(const std::string& name, const LiveEvent& event) {
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
                                 .dropped_frames = frames(status.dropped_seconds),
                                 .dropped_seconds = rounded(status.dropped_seconds),
                                 .backlog_seconds = rounded(status.backlog_seconds)});
                }
                break;
            case Kind::failed:
                complain(*event.error);
                break;
            case Kind::model_changed:
                tell_status(
                    {.state = "warning", .message = "the model was replaced; the stream goes on", .source = name});
                break;
            case Kind::lost:
                context_.metrics.error(to_string(event.error->code));
                tell_status(
                    {.state = "no_asr_provider", .message = valid_utf8(event.error->describe()), .source = name});
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

    wire::AsrText tell_text(const std::string& type, const std::string& source, const LiveEvent& event) {
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

    void stop() {
        if (std::exchange(stopped_, true)) return;
        for (auto& [name, source] : sources_) source.input->stream().finish();
        socket_->every(kFlushSeconds, [weak = weak_from_this()] {
            const auto self = weak.lock();
            if (!self || self->summarized_) return;
            self->tell_status({.state = "warning", .message = "what was said last could not be recognized in 8 s"});
            self->summarize();
        });
        summarize_if_done();
    }

    void summarize_if_done() {
        if (!stopped_ || !std::ranges::all_of(sources_ | std::views::values, &Source::ended)) return;
        summarize();
    }

    void summarize() {
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

    void tell_metrics() {
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

    void tell_metrics(const std::string& name, Source& source) {
        const auto status = source.input->stream().status();
        const auto entry = context_.catalog.serving(source.input->model());
        const auto health = entry->model->health();
        const double fill = status.backlog_seconds / kMaxBacklogSeconds;
        const double dropped = status.dropped_seconds - std::exchange(source.dropped_before, status.dropped_seconds);
        source.worst_backlog = std::max(source.worst_backlog, status.backlog_seconds);
        // Told at its beginning; told again only after it has been over.
        constexpr double kRelief = 0.70;
        constexpr double kBuffering = 0.85;
        constexpr double kOverloaded = 0.95;
        if (fill > kBuffering) {
            tell_status({.state = fill > kOverloaded ? "overloaded" : "buffering",
                         .message = "recognition is behind",
                         .source = name,
                         .backlog_seconds = rounded(status.backlog_seconds)});
        }
        if (fill < kRelief) source.pressed = false;

        wire::SourceMetrics metrics{
            .source = name,
            .queue_bytes = static_cast<std::uint64_t>(status.backlog_seconds * kBytesPerSecond),
            .queue_bytes_max = static_cast<std::uint64_t>(kMaxBacklogSeconds * kBytesPerSecond),
            .queue_fill_ratio = rounded(fill),
            .backlog_seconds = rounded(status.backlog_seconds),
            .max_backlog_seconds = rounded(source.worst_backlog),
            .queue_depth = frames(status.backlog_seconds),
            .queue_max_frames = frames(kMaxBacklogSeconds),
            .dropped_total = frames(status.dropped_seconds),
            .dropped_recent = frames(dropped),
            .avg_infer_ms = rounded(status.mean_decode_ms),
            .avg_processing_ms = rounded(status.mean_decode_ms),
            .realtime_factor =
                status.received_seconds > 0 ? rounded(status.decode_seconds / status.received_seconds) : 0,
            .provider = health.provider,
            .model_id = entry->name,
            .provider_health = std::string(to_string(health.state)),
            .degrade_level = level_,
            .timestamp = rounded(static_cast<double>(trantor::Date::now().microSecondsSinceEpoch()) / 1e6),
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

    static std::uint64_t frames(double seconds) {
        return static_cast<std::uint64_t>(std::llround(seconds / kFrameSeconds));
    }

    void tell_status(wire::Status status) const { send(std::move(status)); }
    void complain(const Error& error) const {
        context_.metrics.error(to_string(error.code));
        send(wire::Problem{.message = valid_utf8(error.describe()), .code = std::string(to_string(error.code))});
    }
    void stamp(auto& message) const {
        message.session_id = session_id_;
        message.attempt_id = attempt_id_;
        message.connection_id = connection_id_;
    }
    void send(auto message) const {
        stamp(message);
        socket_->send(to_json(message));
    }

    Context& context_;
    const std::shared_ptr<Socket> socket_;
    std::string session_id_;
    std::string attempt_id_;
    std::string connection_id_;
    wire::ClientFeatures features_;
    audio::PcmFormat format_;
    std::map<std::string, Source> sources_;
    std::map<std::string, std::deque<std::uint64_t>> recent_drops_;  // frames in each of the last seconds
    std::vector<wire::AsrText> transcript_;
    std::string level_ = "NORMAL";
    bool started_ = false;
    bool stopped_ = false;
    bool summarized_ = false;
    bool third_told_ = false;
};

}  // namespace

void register_echopanel(Context& context) {
    serve_sockets<LiveListenerRoute>(
        context.sockets,
        [&context](const std::shared_ptr<Socket>& socket,
                   const drogon::HttpRequestPtr& request) -> std::shared_ptr<SocketSession> {
            auto session = std::make_shared<LiveListener>(context, socket, request_id(request));
            if (const auto known = check_key(echopanel_key(request), context.config.server.api_keys); !known) {
                context.metrics.error(to_string(known.error().code));
                session->refuse("Unauthorized websocket connection", Close::policy);
                return nullptr;
            }
            if (context.refusing) {
                session->refuse("the server is shutting down", Close::going_away);
                return nullptr;
            }
            session->begin();
            return session;
        });
}

}  // namespace hotmic::server
