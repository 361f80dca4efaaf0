#include "worker/isolated_provider.hpp"

#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <utility>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/load_progress.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/provider.hpp"
#include "hotmic/transcript.hpp"
#include "hotmic/units.hpp"
#include "system/descriptor.hpp"
#include "system/mutex.hpp"
#include "worker/channel.hpp"
#include "worker/confinement.hpp"
#include "worker/process.hpp"
#include "worker/protocol.hpp"

namespace hotmic::worker {
namespace {

/// What the server's objects for one worker share.
class Connection {
public:
    explicit Connection(LoadProgress& progress) : progress_(&progress) {}

    static Result<std::shared_ptr<Connection>> open(const IsolationOptions& options, LoadProgress& progress) {
        auto connection = std::make_shared<Connection>(progress);
        auto process = WorkerProcess::spawn(
            options.executable, progress.instance(),
            {[raw = connection.get()](const Frame& frame) { return raw->on_message(frame); },
             [raw = connection.get()](bool expected) { raw->on_end(expected); }},
            options.heartbeat_timeout, {.environment = engine_environment(options.confinement.variables)});
        if (!process) return std::unexpected(std::move(process).error());
        connection->process_ = *std::move(process);
        return connection;
    }

    /// Waits for the outcome of the load.
    Result<ModelInfo> wait_loaded() {
        Lock lock(mutex_);
        answered_.wait(lock, [this] HOTMIC_REQUIRES(mutex_) { return outcome_ || ended_; });
        progress_ = nullptr;
        if (outcome_) return *outcome_;
        return fail(ErrorCode::worker_crashed, process().exit_report("while loading"),
                    "check that the model file is intact (hotmic inspect) and that there is enough memory");
    }

    [[nodiscard]] Error lost() {
        // A closed channel is seen before the end of its process is. One that lives on without it is of no use.
        if (!process().wait_ended(WorkerProcess::kExitPatience)) condemn("closed the channel of a slot");
        return {ErrorCode::model_lost, process().exit_report("while it served"), "send the request again"};
    }

    /// Ends a worker that is not to be trusted any more. A killed process is gone in milliseconds, unless the kernel
    /// holds it.
    void condemn(std::string_view why) {
        process().condemn(why);
        (void)process().wait_ended(WorkerProcess::kExitPatience);
    }

    void on_lost(std::function<void(const Error&)> handler) {
        Lock lock(mutex_);
        lost_handler_ = std::move(handler);
        if (!ended_ || expected_ || !lost_handler_) return;
        lock.unlock();
        tell_lost();
    }

    WorkerProcess& process() { return *process_; }
    [[nodiscard]] const WorkerProcess& process() const { return *process_; }

private:
    bool on_message(const Frame& frame) {
        const Lock lock(mutex_);
        if (frame.kind == Kind::progress) {
            const auto progress = decode<Progress>(frame);
            if (!progress) return false;
            if (progress_ == nullptr) return true;  // said before the outcome, read after it was taken
            if (!progress->total)
                progress_->beat();
            else
                progress_->report(progress->done, progress->total);
            return true;
        }
        if (outcome_) return false;
        if (frame.kind == Kind::loaded) {
            if (auto info = decode<ModelInfo>(frame)) outcome_ = *std::move(info);
        } else if (frame.kind == Kind::failed) {
            if (auto error = decode<Error>(frame)) outcome_ = std::unexpected(*std::move(error));
        }
        answered_.notify_all();
        return outcome_.has_value();
    }

    void on_end(bool expected) {
        {
            const Lock lock(mutex_);
            ended_ = true;
            expected_ = expected;
        }
        answered_.notify_all();
        if (!expected) tell_lost();
    }

    void tell_lost() {
        std::function<void(const Error&)> handler;
        {
            const Lock lock(mutex_);
            handler = std::exchange(lost_handler_, nullptr);
        }
        if (!handler) return;
        const auto code = process().hung() ? ErrorCode::worker_hung : ErrorCode::model_lost;
        handler({code, process().exit_report("while it served"), "it is being loaded again"});
    }

    Mutex mutex_;
    Condition answered_;
    LoadProgress* progress_ HOTMIC_GUARDED_BY(mutex_);  // null once the load has an outcome
    std::optional<Result<ModelInfo>> outcome_ HOTMIC_GUARDED_BY(mutex_);
    std::function<void(const Error&)> lost_handler_ HOTMIC_GUARDED_BY(mutex_);
    bool ended_ HOTMIC_GUARDED_BY(mutex_) = false;
    bool expected_ HOTMIC_GUARDED_BY(mutex_) = false;  // the end was asked for here

    std::unique_ptr<WorkerProcess> process_;  // set by `open`; last: its reader uses everything above
};

/// A slot's channel. Used by the slot's one thread, like the recognizer it stands for.
class SlotChannel {
public:
    SlotChannel(std::shared_ptr<Connection> connection, int slot, system::Descriptor fd)
        : connection_(std::move(connection)), slot_(slot), fd_(std::move(fd)) {}

    template <class T>
    bool write(Kind kind, const T& message) {
        return write_message(fd_.get(), kind, message);
    }
    bool write_samples(Kind kind, AudioView samples) { return write_frame(fd_.get(), kind, std::as_bytes(samples)); }

    /// The next frame from the worker; a frame of kind `failed` as the error it carries, and silence as model_lost.
    Result<Frame> read() {
        auto frame = read_frame(fd_.get(), kMaxAnswer);
        if (!frame) return std::unexpected(frame.error() == Broken::closed ? connection_->lost() : broken());
        if (frame->kind == Kind::failed) {
            if (auto error = decode<Error>(*frame)) return std::unexpected(*std::move(error));
            return std::unexpected(broken());
        }
        return *std::move(frame);
    }

    void cancel(std::uint64_t request) {
        // Never blocks: a worker that does not take it is hung, and being ended is the cure for that.
        (void)connection_->process().send(Kind::cancel, encode(Cancel{slot_, request}), -1, false);
    }

    [[nodiscard]] Error lost() { return connection_->lost(); }

    /// The worker said something it must not say.
    [[nodiscard]] Error broken() {
        connection_->condemn("sent a message that makes no sense");
        return connection_->lost();
    }

private:
    std::shared_ptr<Connection> connection_;
    int slot_;
    system::Descriptor fd_;
};

Error too_long() {
    return {ErrorCode::audio_too_long, "more than an hour of audio in one piece", "pass it through transcribe_source"};
}

class RemoteRecognizer final : public Recognizer {
public:
    explicit RemoteRecognizer(SlotChannel channel) : channel_(std::move(channel)) {}

    Result<Transcript> transcribe(AudioView audio, const TranscribeOptions& options, const SegmentSink& sink,
                                  std::stop_token stop) override {
        if (audio.size_bytes() > kMaxFrame) return std::unexpected(too_long());
        const auto cancelled = [] { return fail(ErrorCode::cancelled, "the request was cancelled"); };
        if (stop.stop_requested()) return cancelled();
        const auto request = ++requests_;
        const std::stop_callback cancel(stop, [this, request] { channel_.cancel(request); });
        if (!channel_.write(Kind::transcribe, Transcribe{request, options, sink != nullptr}) ||
            !channel_.write_samples(Kind::audio, audio)) {
            return std::unexpected(channel_.lost());
        }
        while (true) {
            auto frame = channel_.read();
            if (!frame) return std::unexpected(std::move(frame).error());
            if (frame->kind == Kind::segment) {
                const auto segment = decode<Segment>(*frame);
                if (!segment) return std::unexpected(channel_.broken());
                if (sink) sink(*segment);
            } else {
                auto transcript = decode<Transcript>(*frame);
                if (frame->kind != Kind::transcript || !transcript) return std::unexpected(channel_.broken());
                if (stop.stop_requested()) return cancelled();  // the answer overtook it
                return *std::move(transcript);
            }
        }
    }

private:
    SlotChannel channel_;
    std::uint64_t requests_ = 0;
};

class RemoteModel final : public Model {
public:
    RemoteModel(std::shared_ptr<Connection> connection, ModelInfo info)
        : connection_(std::move(connection)), info_(std::move(info)) {}
    ~RemoteModel() override { connection_->on_lost(nullptr); }
    RemoteModel(const RemoteModel&) = delete;
    RemoteModel& operator=(const RemoteModel&) = delete;

    const ModelInfo& info() const noexcept override { return info_; }

    Result<std::unique_ptr<Recognizer>> make_recognizer() override {
        std::array<int, 2> pair{};
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
            return fail(ErrorCode::io_error, "no socket could be made for a slot", "raise the limit on open files");
        }
        system::Descriptor ours(pair[0]);
        system::Descriptor theirs(pair[1]);
        // Room for a usual request, so that writing it takes one wake-up of the worker and not many.
        const int room = 1 << 20;
        setsockopt(ours.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
        const int slot = next_slot_++;
        SlotChannel channel(connection_, slot, std::move(ours));
        if (!connection_->process().send(Kind::open_slot, encode(OpenSlot{slot}), theirs.get())) {
            return std::unexpected(connection_->lost());
        }
        theirs = system::Descriptor();  // a copy of their end left here would keep a dead worker's channel open
        auto ready = channel.read();
        if (!ready) return std::unexpected(std::move(ready).error());
        if (ready->kind != Kind::slot_ready) return std::unexpected(channel.broken());
        return std::make_unique<RemoteRecognizer>(std::move(channel));
    }

    bool isolated() const noexcept override { return true; }
    Bytes resident() const override { return connection_->process().resident(); }

    void stop_yielding() noexcept override { connection_->process().stop_yielding(); }

    void terminate() noexcept override {
        connection_->process().kill();
        (void)connection_->process().wait_ended(WorkerProcess::kExitPatience);
    }

    void on_lost(std::function<void(const Error&)> handler) override { connection_->on_lost(std::move(handler)); }

private:
    std::shared_ptr<Connection> connection_;
    const ModelInfo info_;
    std::atomic<int> next_slot_{0};
};

class IsolatedProvider final : public Provider {
public:
    IsolatedProvider(std::shared_ptr<Provider> inner, IsolationOptions options)
        : inner_(std::move(inner)), options_(std::move(options)) {}

    std::string_view name() const noexcept override { return inner_->name(); }
    Availability availability() const override { return inner_->availability(); }
    Capabilities capabilities() const override { return inner_->capabilities(); }
    Result<ModelFileInfo> inspect(const ModelSpec& spec) const override { return inner_->inspect(spec); }
    Result<ResourceEstimate> estimate(const ModelSpec& spec) const override { return inner_->estimate(spec); }

    Result<std::unique_ptr<Model>> load(const ModelSpec& spec, LoadProgress& progress, std::stop_token stop) override {
        auto connection = Connection::open(options_, progress);
        if (!connection) return std::unexpected(std::move(connection).error());
        auto& worker = **connection;
        std::optional<std::stop_callback<std::function<void()>>> kill(std::in_place, stop,
                                                                      [&worker] { worker.process().kill(); });
        const auto sent =
            worker.process().send(Kind::load, encode(load_of(spec, progress.instance(), options_.confinement)));
        // Without a message there is no answer to wait for. Mostly it has ended already, and that is what will be told.
        if (!sent && !worker.process().wait_ended(WorkerProcess::kExitPatience))
            worker.condemn("did not take its orders");
        auto info = worker.wait_loaded();
        kill.reset();  // a stop that comes from here on must not end a model that has been handed out
        if (stop.stop_requested())
            return fail(ErrorCode::load_cancelled, "the load was cancelled; its worker has been ended");
        if (!info) return std::unexpected(std::move(info).error());
        return std::make_unique<RemoteModel>(*std::move(connection), *std::move(info));
    }

private:
    std::shared_ptr<Provider> inner_;
    IsolationOptions options_;
};

}  // namespace

std::shared_ptr<Provider> isolate(std::shared_ptr<Provider> inner, IsolationOptions options) {
    return std::make_shared<IsolatedProvider>(std::move(inner), std::move(options));
}

}  // namespace hotmic::worker
