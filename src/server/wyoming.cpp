#include "server/wyoming.hpp"

#include <spdlog/spdlog.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asr/limits.hpp"
#include "audio/pcm.hpp"
#include "hotmic/error.hpp"
#include "hotmic/live_stream.hpp"
#include "hotmic/served_model.hpp"
#include "server/context.hpp"
#include "server/http/stream.hpp"
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

/// One connection; everything happens on its loop.
class WyomingSession final : public http::StreamHandler, public std::enable_shared_from_this<WyomingSession> {
public:
    WyomingSession(Context& context, const std::shared_ptr<http::Stream>& stream)
        : context_(context),
          stream_(stream),
          client_(stream->peer()),
          name_("wyoming/" + stream->name()),
          post_(stream->poster()) {}

    void on_bytes(std::string_view bytes) override {
        auto events = parser_.feed(bytes);
        if (!events) {
            complain(events.error());
            return close();
        }
        for (auto& event : *events) {
            waiting_bytes_ += event.payload.size();
            waiting_.push_back(std::move(event));
            ++events_;
        }
        go_on();
    }
    [[nodiscard]] std::size_t held() const noexcept override { return parser_.held() + waiting_bytes_; }
    [[nodiscard]] bool busy() const noexcept override { return input_ != nullptr; }
    /// Whoever speaks and then says nothing more, not even that it is over, is owed no transcript.
    [[nodiscard]] bool owes() const noexcept override { return pushing_ || (input_ && heard_out_); }
    [[nodiscard]] Progress progress() const noexcept override { return {events_, parser_.begun()}; }
    void on_refused(const Error& why) override {
        if (input_) return refuse(why, false);
        complain(why);
    }

    /// The server ends: what was begun is told, and nothing new is.
    void on_shutdown() {
        ending_ = true;
        if (!input_) return close();
        hear_out();
    }

private:
    /// Told once, and ended at once: who waits for a transcript gets one, though empty. The audio that still comes for
    /// it is dropped: to the next audio-start, and where the wish itself was refused, to its audio-stop.
    void refuse(const Error& error, bool wish) {
        complain(error);
        refused_ = true;
        wish_refused_ = wish;
        ++series_;  // what the stream still says is nobody's
        finish();
    }

    /// One event after the other; none while audio is looked at elsewhere.
    void go_on() {
        while (!waiting_.empty() && !pushing_) {
            auto event = std::move(waiting_.front());
            waiting_.pop_front();
            waiting_bytes_ -= event.payload.size();
            const bool wish = event.type == "transcribe";
            if (auto done = handle(std::move(event)); !done) refuse(done.error(), wish);
        }
    }

    Result<void> push(std::string audio) {
        if (audio.size() <= kMostOnLoop) return input_->push(std::as_bytes(std::span(audio)));
        const auto stream = stream_.lock();
        if (!stream) return {};
        pushing_ = apart(
            context_, *stream, weak_from_this(),
            [input = input_, audio = std::move(audio)] { return input->push(std::as_bytes(std::span(audio))); },
            [this](const Result<void>& pushed) {
                pushing_ = false;
                if (!pushed) refuse(pushed.error(), false);
                go_on();
            });
        return pushing_ ? Result<void>{} : std::unexpected(too_much_to_hear());
    }

    Result<void> handle(WyomingEvent event) {
        if (event.type == "transcribe") refused_ = wish_refused_ = false;
        if (event.type == "audio-start" && !wish_refused_) refused_ = false;
        if (refused_ && event.type.starts_with("audio-")) {
            if (event.type == "audio-stop") wish_refused_ = false;
            return {};
        }
        if (event.type == "describe") {
            send("info", info());
        } else if (event.type == "ping") {
            send("pong", wire::WyomingText{event.text("text")});
        } else if (event.type == "transcribe") {
            for (const auto* field : {"name", "language"}) {
                if (auto sized = check_size(field, event.text(field)); !sized) return sized;
            }
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
            return push(std::move(event.payload));
        } else if (event.type == "audio-stop") {
            hear_out();
        }
        return {};  // events of other services are none of ours
    }

    void hear_out() {
        if (!input_) return;
        heard_out_ = true;
        input_->stream().finish();
    }

    Result<void> start(const WyomingEvent& event) {
        if (ending_ || context_.refusing)
            return fail(ErrorCode::shutting_down, "the server is shutting down", "ask another instance");
        const audio::PcmFormat format{.rate = static_cast<int>(event.number("rate", 16'000)),
                                      .channels = static_cast<int>(event.number("channels", 1))};
        if (event.number("width", 2) != 2)
            return fail(ErrorCode::unsupported_parameter, "samples that are not 2 bytes wide", "send 16-bit samples",
                        "width");
        text_.clear();
        told_.clear();
        language_heard_.clear();
        const auto series = ++series_;
        auto input =
            LiveInput::open(context_, client_, model_, format, {.transcribe = {.language = language_}, .id = name_},
                            post_, weak_from_this(), [this, series](const LiveEvent& heard) {
                                if (series == series_) take_event(heard);
                            });
        if (!input) return std::unexpected(std::move(input).error());
        input_ = *std::move(input);
        heard_out_ = false;
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
        if (ending_) close();
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
        spdlog::info("wyoming error connection={} code={} message={:?}", name_, to_string(error.code), error.message);
        send("error", wire::WyomingError{valid_utf8(error.describe()), std::string(to_string(error.code))});
    }

    void send(std::string_view type, const auto& data) const { connection_send(wyoming_event(type, to_json(data))); }
    void connection_send(std::string bytes) const {
        if (const auto there = stream_.lock()) there->send(std::move(bytes));
    }
    void close() const {
        if (const auto there = stream_.lock()) there->close();
    }

    Context& context_;
    const std::weak_ptr<http::Stream> stream_;
    const std::string client_;
    const std::string name_;
    const std::function<void(std::function<void()>)> post_;
    WyomingParser parser_;
    std::deque<WyomingEvent> waiting_;
    std::size_t waiting_bytes_ = 0;
    bool pushing_ = false;  // audio, on another thread
    std::shared_ptr<LiveInput> input_;
    std::string model_;
    std::string language_;
    std::string language_heard_;
    std::string text_;  // of the utterances that are over
    std::string told_;
    int series_ = 0;
    std::uint64_t events_ = 0;
    bool heard_out_ = false;  // no more audio comes for `input_`
    bool ending_ = false;
    bool refused_ = false;
    bool wish_refused_ = false;
};

}  // namespace

http::OpenStream wyoming(Context& context) {
    return [&context](const std::shared_ptr<http::Stream>& stream) {
        auto session = std::make_shared<WyomingSession>(context, stream);
        context.sockets.add({session, [post = stream->poster(), weak = std::weak_ptr(session)] {
                                 post([weak] {
                                     if (const auto there = weak.lock()) there->on_shutdown();
                                 });
                             }});
        return session;
    };
}

}  // namespace hotmic::server
