#include "server/wyoming.hpp"

#include <drogon/HttpAppFramework.h>
#include <spdlog/spdlog.h>
#include <trantor/net/TcpServer.h>

#include <algorithm>
#include <utility>

#include "server/live_input.hpp"
#include "server/wyoming_parser.hpp"
#include "text/json.hpp"
#include "text/utf8.hpp"

namespace hotmic::server {
namespace wire {

struct WyomingAttribution {
    std::string name;
    std::string url;
};
struct WyomingModel {
    std::string name;
    std::string description;
    WyomingAttribution attribution;
    bool installed = true;
    std::string version;
    std::vector<std::string> languages;
};
struct WyomingProgram {
    std::string name = "hotmic";
    std::string description = "Speech to text whose first request is as fast as its thousandth";
    WyomingAttribution attribution{"hotmic", "https://github.com/hotmic"};
    bool installed = true;
    std::string version = HOTMIC_VERSION;
    std::vector<WyomingModel> models;
    bool supports_transcript_streaming = true;
};
struct WyomingInfo {
    std::vector<WyomingProgram> asr;
    std::vector<int> tts;
    std::vector<int> handle;
    std::vector<int> intent;
    std::vector<int> wake;
    std::vector<int> mic;
    std::vector<int> snd;
};
struct WyomingText {
    std::string text;
};
struct WyomingLanguage {
    std::optional<std::string> language;
};
struct WyomingTranscript {
    std::string text;
    std::optional<std::string> language;
};
struct WyomingError {
    std::string text;
    std::string code;
};

}  // namespace wire

namespace {

/// As for WebSockets: a client that leaves so much unread never reads.
constexpr std::size_t kMostUnread = 1 << 20;

/// One connection; everything happens on its loop.
class WyomingSession : public std::enable_shared_from_this<WyomingSession> {
public:
    WyomingSession(Context& context, const trantor::TcpConnectionPtr& connection)
        : context_(context),
          connection_(connection),
          client_(connection->peerAddr().toIp()),
          loop_(connection->getLoop()) {}

    void take(std::string_view bytes) {
        auto events = parser_.feed(bytes);
        if (!events) {
            complain(events.error());
            return close();
        }
        for (const auto& event : *events) {
            if (auto done = handle(event); !done) complain(done.error());
        }
    }

private:
    Result<void> handle(const WyomingEvent& event) {
        if (event.type == "describe") {
            send("info", info());
        } else if (event.type == "ping") {
            send("pong", wire::WyomingText{event.text("text")});
        } else if (event.type == "transcribe") {
            model_ = event.text("name");
            language_ = event.text("language");
            if (!model_.empty()) {
                if (auto known = context_.catalog.find(model_); !known) return std::unexpected(known.error());
            }
        } else if (event.type == "audio-start") {
            return start(event);
        } else if (event.type == "audio-chunk") {
            if (!input_) {
                if (auto started = start(event); !started) return started;
            }
            return input_->push(std::as_bytes(std::span(event.payload)));
        } else if (event.type == "audio-stop") {
            if (input_) input_->stream().finish();
        }
        return {};  // events of other services are none of ours
    }

    Result<void> start(const WyomingEvent& event) {
        const audio::PcmFormat format{.rate = static_cast<int>(event.number("rate", 16'000)),
                                      .channels = static_cast<int>(event.number("channels", 1))};
        if (event.number("width", 2) != 2)
            return fail(ErrorCode::unsupported_parameter, "samples that are not 2 bytes wide", "send 16-bit samples",
                        "width");
        text_.clear();
        told_.clear();
        language_heard_.clear();
        const auto series = ++series_;
        auto input = LiveInput::open(
            context_, client_, model_, format, {.transcribe = {.language = language_}, .id = connection_name()},
            [loop = loop_](std::function<void()> task) { loop->queueInLoop(std::move(task)); }, weak_from_this(),
            [this, series](const LiveEvent& heard) {
                if (series == series_) take_event(heard);
            });
        if (!input) return std::unexpected(std::move(input).error());
        input_ = *std::move(input);
        send("transcript-start", wire::WyomingLanguage{language_.empty() ? std::nullopt : std::optional(language_)});
        return {};
    }

    void take_event(const LiveEvent& event) {
        using Kind = LiveEvent::Kind;
        switch (event.kind) {
            case Kind::partial:
                tell(joined(event.stable));
                break;
            case Kind::final:
                text_ = joined(event.text);
                if (language_heard_.empty()) language_heard_ = event.language;
                tell(text_);
                break;
            case Kind::failed:
            case Kind::lost:
                complain(*event.error);
                if (event.kind == Kind::lost) finish();
                break;
            case Kind::dropped:
                complain(
                    {ErrorCode::queue_timeout, "the audio came faster than it could be recognized and was dropped"});
                break;
            case Kind::ended:
                finish();
                break;
            case Kind::speech_started:
            case Kind::speech_stopped:
            case Kind::model_ready:
            case Kind::model_changed:
                break;
        }
    }

    [[nodiscard]] std::string joined(const std::string& more) const {
        return text_.empty() || more.empty() ? text_ + more : text_ + " " + more;
    }

    /// What is new in a text that only ever grows.
    void tell(const std::string& text) {
        if (text.size() <= told_.size() || !text.starts_with(told_)) return;
        send("transcript-chunk", wire::WyomingText{valid_utf8(text.substr(told_.size()))});
        told_ = text;
    }

    void finish() {
        send("transcript",
             wire::WyomingTranscript{valid_utf8(text_),
                                     language_heard_.empty() ? std::nullopt : std::optional(language_heard_)});
        connection_send(wyoming_event("transcript-stop", "{}"));
        input_.reset();
    }

    [[nodiscard]] wire::WyomingInfo info() const {
        wire::WyomingProgram program;
        for (const auto& entry : context_.catalog.entries()) {
            const auto health = entry->model->health();
            wire::WyomingModel model{.name = entry->name,
                                     .description = describe_model(entry->model->plan().spec),
                                     .attribution = {health.provider, ""},
                                     .version = health.info ? health.info->provider_version : std::string{},
                                     .languages = {}};
            if (health.info) model.languages = health.info->capabilities.languages;
            if (model.languages.empty()) model.languages = {"en"};
            program.models.push_back(std::move(model));
        }
        return {.asr = {std::move(program)}};
    }

    void complain(const Error& error) const {
        context_.metrics.error(to_string(error.code));
        spdlog::info("wyoming error connection={} code={} message={:?}", connection_name(), to_string(error.code),
                     error.message);
        send("error", wire::WyomingError{valid_utf8(error.describe()), std::string(to_string(error.code))});
    }

    void send(std::string_view type, const auto& data) const { connection_send(wyoming_event(type, to_json(data))); }
    void connection_send(const std::string& bytes) const {
        if (const auto there = connection_.lock()) there->send(bytes);
    }
    void close() const {
        if (const auto there = connection_.lock()) there->shutdown();
    }
    [[nodiscard]] std::string connection_name() const {
        const auto there = connection_.lock();
        return there ? "wyoming/" + there->peerAddr().toIpPort() : "wyoming";
    }

    Context& context_;
    const std::weak_ptr<trantor::TcpConnection> connection_;
    const std::string client_;
    trantor::EventLoop* const loop_;
    WyomingParser parser_;
    std::unique_ptr<LiveInput> input_;
    std::string model_;
    std::string language_;
    std::string language_heard_;
    std::string text_;  // of the utterances that are over
    std::string told_;
    int series_ = 0;
};

}  // namespace

struct Wyoming::Impl {
    explicit Impl(Context& shared) : context(shared) {}
    Context& context;
    std::unique_ptr<trantor::TcpServer> server;
};

Wyoming::Wyoming(Context& context) : impl_(std::make_unique<Impl>(context)) {}
Wyoming::~Wyoming() = default;

void Wyoming::start(const std::string& address, std::uint16_t port) {
    auto& app = drogon::app();
    const bool is_v6 = address.contains(':');
    impl_->server = std::make_unique<trantor::TcpServer>(app.getLoop(), trantor::InetAddress(address, port, is_v6),
                                                         "wyoming", true, false);
    std::vector<trantor::EventLoop*> loops;
    loops.reserve(app.getThreadNum());
    for (std::size_t i = 0; i < app.getThreadNum(); ++i) loops.push_back(app.getIOLoop(i));
    impl_->server->setIoLoops(loops);
    impl_->server->setConnectionCallback([&context = impl_->context](const trantor::TcpConnectionPtr& connection) {
        if (connection->disconnected()) return connection->clearContext();
        connection->setHighWaterMarkCallback(
            [](const trantor::TcpConnectionPtr& slow, std::size_t) { slow->forceClose(); }, kMostUnread);
        connection->setContext(std::make_shared<WyomingSession>(context, connection));
    });
    impl_->server->setRecvMessageCallback([](const trantor::TcpConnectionPtr& connection, trantor::MsgBuffer* buffer) {
        const auto session = connection->getContext<WyomingSession>();
        if (session) session->take({buffer->peek(), buffer->readableBytes()});
        buffer->retrieveAll();
    });
    impl_->server->start();
    spdlog::info("wyoming listens on {}:{}", address, port);
}

void Wyoming::stop() {
    if (impl_->server) impl_->server->stop();
    impl_->server.reset();
}

}  // namespace hotmic::server
