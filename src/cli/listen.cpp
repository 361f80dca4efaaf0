#include <poll.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <format>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "audio/microphone.hpp"
#include "audio/pcm.hpp"
#include "cli/commands.hpp"
#include "cli/single_model.hpp"
#include "cli/terminal.hpp"
#include "cli/vad_model.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/live_stream.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"
#include "system/mutex.hpp"
#include "text/json.hpp"

namespace hotmic::cli {
namespace wire {

/// One line of `--json`.
struct HeardJson {
    std::string type;
    std::uint64_t utterance = 0;
    double start = 0;
    double end = 0;
    std::optional<std::string> text{};
    std::optional<std::string> stable{};
    std::optional<std::string> language{};
    std::optional<std::string> code{};
    std::optional<std::string> message{};
};

}  // namespace wire

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kGlance{100};  // how soon Ctrl-C is noticed
constexpr int kInterrupted = 128 + SIGINT;

/// Ctrl-C ends the listening, not what has been heard: the open utterance still becomes final. Made before any other
/// thread, so that all inherit the blocked signals. A second Ctrl-C, or one before anything could be heard, ends the
/// program at once.
class Interruption {
public:
    Interruption() {
        ::sigemptyset(&signals_);
        ::sigaddset(&signals_, SIGINT);
        ::sigaddset(&signals_, SIGTERM);
        ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
        thread_ = std::jthread([this](const std::stop_token& over) { watch(over); });
    }
    /// From here on there is something to finish.
    std::stop_source listening() {
        listening_ = true;
        return stop_;
    }

private:
    void watch(const std::stop_token& over) {
        const timespec glance{0, std::chrono::nanoseconds(kGlance).count()};
        while (!over.stop_requested()) {
            if (::sigtimedwait(&signals_, nullptr, &glance) < 0) continue;
            if (!listening_ || !stop_.request_stop()) std::_Exit(kInterrupted);
        }
    }

    sigset_t signals_{};
    std::atomic<bool> listening_ = false;
    std::stop_source stop_;
    std::jthread thread_;
};

/// Raw samples from standard input, as they come.
class PipedSamples {
public:
    static Result<PipedSamples> open(const audio::PcmFormat& format) {
        auto decoder = audio::PcmDecoder::open(format);
        if (!decoder) return std::unexpected(std::move(decoder).error());
        return PipedSamples(*std::move(decoder));
    }

    /// Appends the next ones. False at the end. Errors: io_error.
    Result<bool> read(std::vector<float>& samples, const std::stop_token& stop) {
        pollfd input{STDIN_FILENO, POLLIN, 0};
        while (!stop.stop_requested()) {
            if (::poll(&input, 1, static_cast<int>(kGlance.count())) == 0) continue;
            std::array<std::byte, 6400> bytes{};
            const auto count = ::read(STDIN_FILENO, bytes.data(), bytes.size());
            if (count < 0) return fail(ErrorCode::io_error, "standard input cannot be read");
            if (count == 0) return false;
            const auto decoded = decoder_.decode(std::span(bytes).first(static_cast<std::size_t>(count)), samples);
            if (!decoded) return std::unexpected(decoded.error());
            return true;
        }
        return false;
    }

private:
    explicit PipedSamples(audio::PcmDecoder decoder) : decoder_(std::move(decoder)) {}
    audio::PcmDecoder decoder_;
};

/// How many utterances have been decoded or given up: what was waited for when there are too many.
using Settled = std::atomic<std::uint64_t>;

void settle_one(Settled& settled) {
    ++settled;
    settled.notify_all();
}

/// A pipe may hold hours that come at once: they wait there until what was taken has been decoded.
void keep_pace(const LiveStream& stream, Settled& settled, const std::stop_token& stop) {
    constexpr Seconds kEnough(20);
    const std::stop_callback wake(stop, [&] { settle_one(settled); });
    while (!stop.stop_requested()) {
        const auto before = settled.load();
        if (stream.status().backlog <= kEnough) return;
        settled.wait(before);
    }
}

Result<void> pass_on(PipedSamples& samples, LiveStream& stream, Settled& settled, const std::stop_token& stop) {
    std::vector<float> taken;
    while (true) {
        taken.clear();
        auto more = samples.read(taken, stop);
        if (!more) return std::unexpected(std::move(more).error());
        stream.push(taken);
        if (!*more) return {};
        keep_pace(stream, settled, stop);
    }
}

Result<void> pass_on(AudioSource& microphone, LiveStream& stream, const std::stop_token& stop) {
    std::array<float, kSampleRate / 10> taken{};
    while (!stop.stop_requested()) {
        const auto count = microphone.read(taken);
        if (!count) return std::unexpected(count.error());
        stream.push(std::span(taken).first(*count));
        if (*count < taken.size()) return fail(ErrorCode::io_error, "the microphone is gone", "connect it again");
    }
    if (const auto lost = microphone.damage(); !lost.empty()) complain("hotmic: " + lost);
    return {};
}

/// Events on their way from the hub's threads to the one that prints.
class Mailbox {
public:
    void put(LiveEvent event) {
        const Lock lock(mutex_);
        events_.push_back(std::move(event));
        arrived_.notify_one();
    }
    LiveEvent take() {
        Lock lock(mutex_);
        arrived_.wait(lock, [this] HOTMIC_REQUIRES(mutex_) { return !events_.empty(); });
        auto event = std::move(events_.front());
        events_.pop_front();
        return event;
    }

private:
    Mutex mutex_;
    Condition arrived_;
    std::deque<LiveEvent> events_ HOTMIC_GUARDED_BY(mutex_);
};

std::string_view name_of(LiveEvent::Kind kind) {
    using enum LiveEvent::Kind;
    switch (kind) {
        case speech_started:
            return "speech_started";
        case speech_stopped:
            return "speech_stopped";
        case partial:
            return "partial";
        case final:
            return "final";
        case failed:
            return "failed";
        case dropped:
            return "dropped";
        case model_ready:
            return "model_ready";
        case model_changed:
            return "model_changed";
        case lost:
            return "lost";
        case ended:
            return "ended";
    }
    return "";
}

void print_json(const LiveEvent& event) {
    wire::HeardJson line{.type = std::string(name_of(event.kind)),
                         .utterance = event.utterance,
                         .start = event.start.count(),
                         .end = event.end.count()};
    if (event.kind == LiveEvent::Kind::partial || event.kind == LiveEvent::Kind::final) line.text = event.text;
    if (event.kind == LiveEvent::Kind::partial) line.stable = event.stable;
    if (!event.language.empty()) line.language = event.language;
    if (event.error) {
        line.code = std::string(to_string(event.error->code));
        line.message = event.error->message;
    }
    say(to_json(line));
}

/// Finals are lines on stdout. What is being said is drawn over and over on stderr, where that is a terminal.
void print_text(const LiveEvent& event, ProgressLine& line) {
    using enum LiveEvent::Kind;
    switch (event.kind) {
        case partial:
            return line.draw_end(event.text);
        case final:
            line.clear();
            if (!event.text.empty()) say(event.text);
            return;
        case failed:
        case dropped:
            line.clear();
            complain(std::format("hotmic: {:.1f} to {:.1f} s were not recognized: {}", event.start.count(),
                                 event.end.count(),
                                 event.error ? event.error->message : "the machine is too slow for them"));
            return;
        default:
            return;
    }
}

}  // namespace

int listen(const ConfigFlags& flags, const ListenFlags& what, const ProviderRegistry& providers) {
    if (what.list) {
        for (const auto& name : audio::microphones()) say(name);
        return 0;
    }
    Interruption interruption;
    const auto loaded = load_config(flags, true);
    if (!loaded) return report(loaded.error());
    auto single = make_single_model(*loaded, providers);
    if (!single) return report(single.error());
    auto& manager = *(*single)->manager;
    if (auto ready = make_ready(manager); !ready) return report(ready.error());

    auto vad_model = load_vad_model(find_vad_model(loaded->config.server.vad_model, loaded->config.models_dir));
    if (!vad_model) return report(vad_model.error());
    LiveHub hub(1);
    Mailbox mailbox;
    Settled settled = 0;
    auto leases = [&](std::string lost, std::function<void(Result<Lease>)> then) {
        manager.when_ready(deadline_in(manager.options().queue_timeout), std::move(then), std::move(lost));
    };
    LiveOptions options{.transcribe = what.options, .id = "listen"};
    options.endpointing->vad_model = *std::move(vad_model);
    auto opened = hub.open(leases, std::move(options), [&](const LiveEvent& event) {
        using enum LiveEvent::Kind;
        if (event.kind == final || event.kind == failed || event.kind == dropped) settle_one(settled);
        mailbox.put(event);
    });
    if (!opened) return report(opened.error());
    const auto stream = *std::move(opened);

    std::optional<PipedSamples> pipe;
    std::unique_ptr<AudioSource> microphone;
    if (what.piped) {
        auto samples = PipedSamples::open({.rate = what.rate, .channels = what.channels});
        if (!samples) return report(samples.error());
        pipe.emplace(*std::move(samples));
    } else {
        auto found = audio::open_microphone(what.device);
        if (!found) return report(found.error());
        microphone = *std::move(found);
    }

    Result<void> heard;
    auto stopping = interruption.listening();
    if (microphone) complain("listening; Ctrl-C ends it");
    std::jthread ear([&, stop = stopping.get_token()] {
        heard = pipe ? pass_on(*pipe, *stream, settled, stop) : pass_on(*microphone, *stream, stop);
        stream->finish();
    });
    ProgressLine line;
    while (true) {
        const auto event = mailbox.take();
        what.json ? print_json(event) : print_text(event, line);
        if (event.kind == LiveEvent::Kind::ended) break;
        if (event.kind != LiveEvent::Kind::lost) continue;
        stopping.request_stop();
        return report(*event.error);
    }
    ear.join();
    return heard ? 0 : report(heard.error());
}

}  // namespace hotmic::cli
