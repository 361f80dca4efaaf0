#include "worker/worker_main.hpp"

#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <format>
#include <map>
#include <memory>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "system/descriptor.hpp"
#include "system/heap.hpp"
#include "system/landlock.hpp"
#include "system/mutex.hpp"
#include "system/sandbox.hpp"
#include "system/seccomp.hpp"
#include "worker/channel.hpp"
#include "worker/confinement.hpp"
#include "worker/protocol.hpp"
#include "worker/settle.hpp"

namespace hotmic::worker {
namespace {

constexpr int kControl = 3;

ModelSpec spec_of_load(const Load& load) {
    return {.provider = load.provider,
            .path = load.path,
            .sha256 = load.sha256,
            .slots = load.slots,
            .threads = load.threads,
            .backend = load.backend,
            .flash_attention = load.flash_attention,
            .max_best_of = load.max_best_of,
            .max_beam_size = load.max_beam_size,
            .quantize = load.quantize,
            .text_case = load.text_case};
}

/// Requests that can be cancelled, by slot.
class Cancellations {
public:
    std::stop_token begin(int slot, std::uint64_t request) {
        const Lock lock(mutex_);
        auto& entry = slots_[slot];
        entry.source = std::stop_source();
        entry.request = request;
        if (entry.cancelled == request) entry.source.request_stop();  // the cancel overtook its request
        return entry.source.get_token();
    }
    void cancel(const Cancel& cancel) {
        const Lock lock(mutex_);
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
    Mutex mutex_;
    std::map<int, Entry> slots_ HOTMIC_GUARDED_BY(mutex_);
};

/// One slot, on the thread that runs this: makes its recognizer and serves requests until the channel closes.
class SlotServer {
public:
    SlotServer(Model& model, int slot, system::Descriptor fd, Cancellations& cancellations)
        : model_(model), slot_(slot), fd_(std::move(fd)), cancellations_(cancellations) {}

    void serve() {
        auto recognizer = model_.make_recognizer();
        if (!recognizer) return (void)fail(recognizer.error());
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
        return transcript ? write(Kind::transcript, *transcript) : fail(transcript.error());
    }

    /// An answer that the server would not take is told to be one: it is the request's end, and not the worker's.
    template <class T>
    bool write(Kind kind, const T& message) {
        const auto body = encode(message);
        if (body.size() <= kMaxAnswer) return write_frame(fd_.get(), kind, bytes_of(body));
        if (kind == Kind::segment) return true;  // the transcript, which holds it, will be told to be too large
        return fail(
            Error{ErrorCode::inference_failed,
                  std::format("the engine answered with {} bytes, at most {} are taken", body.size(), kMaxAnswer),
                  "send shorter audio"});
    }
    bool fail(const Error& error) { return write_frame(fd_.get(), Kind::failed, bytes_of(encode(bounded(error)))); }

    /// A string's buffer is aligned for any fundamental type, so the floats may be read in place.
    static AudioView samples_of(const Frame& frame) {
        return {reinterpret_cast<const float*>(frame.body.data()), frame.body.size() / sizeof(float)};
    }

    Model& model_;
    const int slot_;
    const system::Descriptor fd_;
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
                    if (const auto load = decode<Load>(*frame); load && is_confined(*load, false)) begin_load(*load);
                    break;
                case Kind::open_slot:
                    if (const auto open = decode<OpenSlot>(*frame); open && loaded_ != nullptr)
                        open_slot(open->slot, std::move(frame->passed));
                    break;
                case Kind::examine:
                    if (const auto load = decode<Load>(*frame); load && is_confined(*load, true))
                        threads_.emplace_back([this, load = *load] { examine(load); });
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
    /// Gives up, before there is a second thread, what the work does not need. One that only reads headers is asked
    /// about many files, and may read them all. False where that is required and cannot be done, which is told.
    bool is_confined(const Load& load, bool examines) {
        if (std::exchange(confined_, true)) return true;
        const auto mode = system::sandbox_named(load.sandbox).value_or(system::Sandbox::require);
        const auto reach = examines ? system::Reach{.readable = {"/"}}
                                    : reach_of_engine(load.path, {load.readable.begin(), load.readable.end()});
        const auto lacking = system::confine(mode, reach, system::Work::inference);
        if (!lacking) {
            tell(lacking.error());
            return confined_ = false;
        }
        if (!lacking->empty()) spdlog::warn("sandbox: not all could be given up: {}", *lacking);
        return true;
    }

    void begin_load(const Load& load) {
        if (load.build != kBuild) {
            return tell(Error{ErrorCode::worker_start_failed,
                              "server (" + load.build + ") and worker (" + kBuild + ") are different builds",
                              "restart the server after an upgrade"});
        }
        threads_.emplace_back([this, load] { this->load(load); });
    }

    void examine(const Load& load) const {
        const auto provider = providers_.find(load.provider);
        if (!provider) return tell(provider.error());
        const auto spec = spec_of_load(load);
        Examined found;
        if (auto info = (*provider)->inspect(spec))
            found.info = *std::move(info);
        else
            found.why_not = bounded(std::move(info).error());
        if (auto estimate = (*provider)->estimate(spec))
            found.estimate = *std::move(estimate);
        else
            found.why_no_estimate = bounded(std::move(estimate).error());
        tell(Kind::examined, found);
    }

    void load(const Load& load) {
        const auto provider = providers_.find(load.provider);
        if (!provider) return tell(provider.error());
        LoadProgress progress(load.instance);
        std::stop_source over;
        std::jthread reporter([&, token = over.get_token()] { report(progress, token); });
        auto model = (*provider)->load(spec_of_load(load), progress, {});
        over.request_stop();
        reporter.join();
        if (!model) return tell(model.error());
        model_ = *std::move(model);
        loaded_ = model_.get();
        tell(Kind::loaded, model_->info());
    }

    /// Passes signs of life on, at most 50 a second.
    void report(const LoadProgress& progress, std::stop_token over) const {
        Mutex mutex;
        StoppableCondition tick;
        std::uint64_t told = 0;
        Lock lock(mutex);
        while (true) {
            const bool ended =
                tick.wait_for(lock, over, std::chrono::milliseconds(20), [&] { return over.stop_requested(); });
            const auto now = progress.snapshot();
            if (now.beats != told) tell(Kind::progress, Progress{now.done, now.total});
            told = now.beats;
            if (ended) return;
        }
    }

    void open_slot(int slot, system::Descriptor fd) {
        threads_.emplace_back([this, slot, fd = std::move(fd)] mutable {
            SlotServer(*loaded_, slot, std::move(fd), cancellations_).serve();
        });
    }

    template <class T>
    void tell(Kind kind, const T& message) const {
        // A server that is gone is noticed by the control loop; what cannot be said would leave one waiting that is
        // not.
        auto body = encode(message);
        if (body.size() > kMaxControl) {
            kind = Kind::failed;
            body = encode(Error{ErrorCode::load_failed, "the model describes itself in too many words",
                                "check that the model file is what it should be (hotmic inspect)"});
        }
        (void)send_control(kControl, kind, bytes_of(body));
    }
    void tell(const Error& error) const { tell(Kind::failed, bounded(error)); }

    [[noreturn]] static void give_up(const char* why) {
        spdlog::error("worker gives up reason=\"{}\"", why);
        std::_Exit(1);
    }

    const ProviderRegistry& providers_;
    bool confined_ = false;  // the control thread's
    std::unique_ptr<Model> model_;
    std::atomic<Model*> loaded_{nullptr};  // what the control thread and slots see of it
    Cancellations cancellations_;
    std::vector<std::jthread> threads_;
};

}  // namespace

int examiner_main(const ProviderRegistry& providers) {
    settle_in("hotmic examiner");
    // Reading headers takes milliseconds and little memory, whatever a file claims; nothing is written.
    const rlimit seconds{60, 60};
    setrlimit(RLIMIT_CPU, &seconds);
    const rlimit no_file{0, 0};
    setrlimit(RLIMIT_FSIZE, &no_file);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // whose shadows would count
    const rlimit bytes{1ULL << 30, 1ULL << 30};
    setrlimit(RLIMIT_DATA, &bytes);
#endif
    return Worker(providers).run();
}

int worker_main(const ProviderRegistry& providers) {
    // Arrays of a short window are smaller: mapping memory anew each time would cost those a few per cent.
    system::give_back_large_blocks(mebibytes(4));
    system::share_one_heap();
    settle_in("hotmic worker");
    return Worker(providers).run();
}

}  // namespace hotmic::worker
