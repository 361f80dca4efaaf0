#include "worker/worker_main.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>

#include "worker/channel.hpp"

namespace hotmic::worker {
namespace {

constexpr int kControl = 3;

/// What this process owes its machine: die before the server when memory is short, leave no core files, and let the
/// server alone decide about signals from a terminal.
void settle_in() {
    prctl(PR_SET_NAME, "hotmic worker");
    std::ofstream("/proc/self/oom_score_adj") << 800;
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, SIG_IGN);
    std::signal(SIGPIPE, SIG_IGN);
    auto logger = spdlog::stderr_logger_mt("worker");
    logger->set_pattern("[%l] %v");
    logger->set_level(spdlog::level::debug);
    logger->flush_on(spdlog::level::trace);
    spdlog::set_default_logger(std::move(logger));
}

ModelSpec spec_of_load(const Load& load) {
    return {.provider = load.provider,
            .path = load.path,
            .sha256 = load.sha256,
            .slots = load.slots,
            .threads = load.threads,
            .backend = load.backend,
            .flash_attention = load.flash_attention,
            .max_best_of = load.max_best_of,
            .max_beam_size = load.max_beam_size};
}

/// Requests that can be cancelled, by slot.
class Cancellations {
public:
    std::stop_token begin(int slot, std::uint64_t request) {
        const std::scoped_lock lock(mutex_);
        auto& entry = slots_[slot];
        entry.source = std::stop_source();
        entry.request = request;
        if (entry.cancelled == request) entry.source.request_stop();  // the cancel overtook its request
        return entry.source.get_token();
    }
    void cancel(const Cancel& cancel) {
        const std::scoped_lock lock(mutex_);
        auto& entry = slots_[cancel.slot];
        entry.cancelled = cancel.request;
        if (entry.request == cancel.request) entry.source.request_stop();
    }

private:
    struct Entry {
        std::stop_source source;
        std::uint64_t request = 0;
        std::uint64_t cancelled = 0;
    };
    std::mutex mutex_;
    std::map<int, Entry> slots_;
};

/// One slot, on the thread that runs this: makes its recognizer and serves requests until the channel closes.
class SlotServer {
public:
    SlotServer(Model& model, int slot, Fd fd, Cancellations& cancellations)
        : model_(model), slot_(slot), fd_(std::move(fd)), cancellations_(cancellations) {}

    void serve() {
        auto recognizer = model_.make_recognizer();
        if (!recognizer) return (void)write(Kind::failed, recognizer.error());
        if (!write(Kind::slot_ready, Empty{})) return;
        while (const auto frame = read_frame(fd_.get())) {
            const auto request = decode<Transcribe>(*frame);
            if (!request) return;
            if (frame->kind != Kind::transcribe || !transcribe(**recognizer, *request)) return;
        }
    }

private:
    bool transcribe(Recognizer& recognizer, const Transcribe& request) {
        const auto audio = read_frame(fd_.get());
        if (!audio || audio->kind != Kind::audio) return false;
        const auto sink = [this](const Segment& segment) { (void)write(Kind::segment, segment); };
        const auto transcript = recognizer.transcribe(samples_of(*audio), request.options,
                                                      request.want_segments ? SegmentSink(sink) : SegmentSink{},
                                                      cancellations_.begin(slot_, request.request));
        return transcript ? write(Kind::transcript, *transcript) : write(Kind::failed, transcript.error());
    }

    template <class T>
    bool write(Kind kind, const T& message) {
        return write_message(fd_.get(), kind, message);
    }

    /// A string's buffer is aligned for any fundamental type, so the floats may be read in place.
    static AudioView samples_of(const Frame& frame) {
        return {reinterpret_cast<const float*>(frame.body.data()), frame.body.size() / sizeof(float)};
    }

    Model& model_;
    const int slot_;
    const Fd fd_;
    Cancellations& cancellations_;
};

class Worker {
public:
    explicit Worker(const ProviderRegistry& providers) : providers_(providers) {}

    /// The control loop. It never loads or infers itself, so it hears the server whatever the engine does.
    int run() {
        while (auto frame = receive_control(kControl)) {
            switch (frame->kind) {
                case Kind::load:
                    if (const auto load = decode<Load>(*frame)) begin_load(*load);
                    break;
                case Kind::open_slot:
                    if (const auto open = decode<OpenSlot>(*frame); open && loaded_ != nullptr)
                        open_slot(open->slot, std::move(frame->passed));
                    break;
                case Kind::ping:
                    tell(Kind::pong, Empty{});
                    break;
                case Kind::cancel:
                    if (const auto cancel = decode<Cancel>(*frame)) cancellations_.cancel(*cancel);
                    break;
                default:
                    give_up("the server sent a message that makes no sense");
            }
        }
        std::_Exit(0);  // the server is done with this model, or gone: the kernel takes everything back at once
    }

private:
    void begin_load(const Load& load) {
        if (load.build != kBuild) {
            return tell(Kind::failed,
                        Error{ErrorCode::worker_start_failed,
                              "server (" + load.build + ") and worker (" + kBuild + ") are different builds",
                              "restart the server after an upgrade"});
        }
        threads_.emplace_back([this, load] { this->load(load); });
    }

    void load(const Load& load) {
        const auto provider = providers_.find(load.provider);
        if (!provider) return tell(Kind::failed, provider.error());
        LoadProgress progress(load.instance);
        std::stop_source over;
        std::jthread reporter([&, token = over.get_token()] { report(progress, token); });
        auto model = (*provider)->load(spec_of_load(load), progress, {});
        over.request_stop();
        reporter.join();
        if (!model) return tell(Kind::failed, model.error());
        model_ = *std::move(model);
        loaded_ = model_.get();
        tell(Kind::loaded, model_->info());
    }

    /// Passes signs of life on, at most 50 a second.
    void report(const LoadProgress& progress, std::stop_token over) const {
        std::mutex mutex;
        std::condition_variable_any tick;
        std::uint64_t told = 0;
        std::unique_lock lock(mutex);
        while (true) {
            const bool ended =
                tick.wait_for(lock, over, std::chrono::milliseconds(20), [&] { return over.stop_requested(); });
            const auto now = progress.snapshot();
            if (now.beats != told) tell(Kind::progress, Progress{now.done_bytes, now.total_bytes});
            told = now.beats;
            if (ended) return;
        }
    }

    void open_slot(int slot, Fd fd) {
        threads_.emplace_back([this, slot, fd = std::move(fd)] mutable {
            SlotServer(*loaded_, slot, std::move(fd), cancellations_).serve();
        });
    }

    template <class T>
    void tell(Kind kind, const T& message) const {
        // A server that is gone is noticed by the control loop; what cannot be said would leave one waiting that is
        // not.
        const auto body = encode(message);
        if (body.size() > kMaxControl) give_up("the model describes itself in too many words");
        (void)send_control(kControl, kind, bytes_of(body));
    }

    [[noreturn]] static void give_up(const char* why) {
        spdlog::error("worker gives up reason=\"{}\"", why);
        std::_Exit(1);
    }

    const ProviderRegistry& providers_;
    std::unique_ptr<Model> model_;
    std::atomic<Model*> loaded_{nullptr};  // what the control thread and slots see of it
    Cancellations cancellations_;
    std::vector<std::jthread> threads_;
};

}  // namespace

int worker_main(const ProviderRegistry& providers) {
    settle_in();
    return Worker(providers).run();
}

}  // namespace hotmic::worker
