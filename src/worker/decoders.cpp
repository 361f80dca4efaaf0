#include "worker/decoders.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <format>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string_view>
#include <utility>
#include <vector>

#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/units.hpp"
#include "system/descriptor.hpp"
#include "system/file_io.hpp"
#include "system/mutex.hpp"
#include "system/pidfd.hpp"
#include "worker/channel.hpp"
#include "worker/decoder_origin.hpp"
#include "worker/protocol.hpp"

namespace hotmic::worker {
namespace {

using std::chrono::milliseconds;

/// How long the word of a decoder's end may take after its channel has closed.
constexpr milliseconds kExitPatience{2'000};
/// A decoder delivers a little more than it was asked for, for silence and resamplers.
constexpr Seconds kSlack(70);
constexpr auto kConvert = "the file is damaged or made to do harm: convert it, e.g. ffmpeg -i FILE -ac 1 speech.flac";

std::unexpected<Error> unavailable(std::string_view why) {
    return fail(ErrorCode::decoder_unavailable, std::format("no decoder could be started: {}", why),
                "check the limits on processes, open files and memory, then send it again");
}

/// A file that can be read and not written to, whoever has the descriptor.
Result<system::Descriptor> file_of(const MediaBytes& media) {
    if (const int open = media.descriptor(); open >= 0) {
        if (system::Descriptor again(::open(std::format("/proc/self/fd/{}", open).c_str(), O_RDONLY | O_CLOEXEC));
            again)
            return again;
    }
    system::Descriptor file(::memfd_create("hotmic media", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file) return unavailable(std::strerror(errno));
    std::vector<std::byte> part(256 << 10);
    for (std::uint64_t at = 0; at < media.size();) {
        const auto got = media.read(at, part);
        if (got <= 0) return fail(ErrorCode::io_error, "the file cannot be read to its end", "check the disk");
        if (!system::write_all(file.get(), std::span(part).first(static_cast<std::size_t>(got))))
            return unavailable(std::strerror(errno));
        at += static_cast<std::uint64_t>(got);
    }
    ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
    return file;
}

}  // namespace

/// What outlives the pool where a source does: the process, and what is counted.
struct Decoders::Shared {
    explicit Shared(DecoderOptions opts) : options(std::move(opts)) {}

    const DecoderOptions options;
    std::atomic<std::uint64_t> next{1};
    std::atomic<std::uint64_t> running{0};
    std::atomic<std::uint64_t> begun{0};
    std::atomic<std::uint64_t> crashed{0};
    std::atomic<std::uint64_t> limited{0};
    std::atomic<std::uint64_t> hung{0};
    std::atomic<std::uint64_t> again{0};

    /// The process as it is, or a new one where it has died. It may have died without anybody having noticed yet:
    /// who found it `useless` gets another.
    Result<std::shared_ptr<DecoderOrigin>> origin(const std::shared_ptr<DecoderOrigin>& useless = {}) {
        const Lock lock(mutex_);
        if (origin_ && origin_ != useless && !origin_->ended()) return origin_;
        if (origin_) spdlog::warn("the process that decoders are forked from has ended, another is started");
        auto started = DecoderOrigin::start(options);
        if (!started) return started;
        return origin_ = *std::move(started);
    }

private:
    Mutex mutex_;
    std::shared_ptr<DecoderOrigin> origin_ HOTMIC_GUARDED_BY(mutex_);
};

/// A file, and the decoder that has it now.
class Decoders::Source final : public AudioSource {
public:
    Source(std::shared_ptr<Shared> shared, std::shared_ptr<const MediaBytes> media, const DecodeLimits& limits,
           TrackChoice choice)
        : shared_(std::move(shared)),
          media_(std::move(media)),
          limits_(limits),
          choice_(std::move(choice)),
          stopped_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
          on_stop_(limits.stop, [this] { ::eventfd_write(stopped_.get(), 1); }) {}
    ~Source() override { let_go(); }
    Source(const Source&) = delete;
    Source& operator=(const Source&) = delete;

    /// Until the first audio is decoded, or what it is instead is known.
    Result<void> open() {
        if (auto begun = begin(); !begun) return begun;
        while (!opened_) {
            if (auto went = next(); !went) return went;
            if (ended_ && !opened_) return broken("ended without a word");
        }
        return {};
    }

    Result<std::size_t> read(std::span<float> out) override {
        std::size_t written = 0;
        while (written < out.size()) {
            const auto waiting = AudioView(samples_).subspan(taken_);
            if (waiting.empty()) {
                if (ended_) break;
                if (auto went = next(); !went) return std::unexpected(std::move(went).error());
                continue;
            }
            const auto count = std::min(out.size() - written, waiting.size());
            std::ranges::copy(waiting.first(count), out.subspan(written).begin());
            taken_ += count;
            written += count;
        }
        return written;
    }

    [[nodiscard]] std::optional<Seconds> duration_hint() const override { return about_.duration; }
    [[nodiscard]] std::string damage() const override { return damage_; }
    [[nodiscard]] std::optional<AudioTrack> track() const override { return about_.track; }

private:
    /// Has a decoder forked that begins where the last one was.
    Result<void> begin() {
        if (!file_) {
            auto file = file_of(*media_);
            if (!file) return std::unexpected(std::move(file).error());
            file_ = *std::move(file);
        }
        const auto& formats = limits_.formats.containers.empty() && limits_.formats.codecs.empty()
                                  ? shared_->options.formats
                                  : limits_.formats;
        constexpr int kTries = 2;  // the process may just be dying
        std::shared_ptr<DecoderOrigin> useless;
        for (int tried = 0; tried < kTries; ++tried) {
            auto origin = shared_->origin(useless);
            if (!origin) return std::unexpected(std::move(origin).error());
            useless = *origin;
            if (auto ready = (*origin)->ready(); !ready) {
                if (ready.error().code == ErrorCode::sandbox_unavailable || tried + 1 == kTries) return ready;
                continue;
            }
            number_ = shared_->next++;
            channel_ = (*origin)->fork({.number = number_,
                                        .max_length = limits_.max_length,
                                        .cpu_time = limits_.cpu_time,
                                        .containers = formats.containers,
                                        .codecs = formats.codecs,
                                        .language = choice_.language,
                                        .channel = choice_.channel,
                                        .skip = received_});
            if (!channel_) continue;
            origin_ = *std::move(origin);
            ++shared_->running;
            ++shared_->begun;
            if (send_control(channel_.get(), Kind::media, bytes_of(encode(Empty{})), file_.get())) return {};
            let_go();
        }
        return unavailable("the process that forks them has ended");
    }

    /// Takes one message, waiting for it.
    Result<void> next() {
        std::array watched{pollfd{channel_.get(), POLLIN, 0}, pollfd{stopped_.get(), POLLIN, 0}};
        int ready = 0;
        const auto patience = std::min<std::int64_t>(shared_->options.timeout.count(), std::numeric_limits<int>::max());
        do ready = ::poll(watched.data(), watched.size(), static_cast<int>(patience));
        while (ready < 0 && errno == EINTR);
        if (limits_.stop.stop_requested()) return give_up(ErrorCode::cancelled, "the request was cancelled", "");
        if (ready == 0) {
            ++shared_->hung;
            return give_up(ErrorCode::decoder_crashed,
                           std::format("the process that decoded it sent nothing for {} ms and was ended",
                                       shared_->options.timeout.count()),
                           kConvert);
        }
        auto frame = receive_control(channel_.get());
        if (!frame) return frame.error() == Broken::closed ? died() : broken("sent what is no message");
        return take(*std::move(frame));
    }

    Result<void> take(Frame frame) {
        if (frame.kind == Kind::begun && !process_ && frame.passed) {
            process_ = std::move(frame.passed);
            return {};
        }
        if (frame.kind == Kind::remark) return take_remark(frame);
        if (frame.kind == Kind::failed) {
            auto error = decode<Error>(frame);
            if (!error) return broken("sent an error that makes no sense");
            const auto told = bounded(*std::move(error));
            return give_up(told);
        }
        if (frame.kind == Kind::opened && !has_opened_) {
            auto about = decode<Opened>(frame);
            if (!about || !is_sound(*about)) return broken("describes the file in a way that makes no sense");
            if (!opened_) about_ = *std::move(about);
            has_opened_ = opened_ = true;
            return {};
        }
        if (!has_opened_) return broken("sent audio before it had opened the file");
        if (frame.kind == Kind::audio) return take_audio(frame);
        if (frame.kind == Kind::lost) {
            auto what = decode<Lost>(frame);
            if (!what || what->what.size() > kMostWords) return broken("tells of losses without end");
            damage_ = std::move(what->what);
            return {};
        }
        if (frame.kind == Kind::ended) {
            ended_ = true;
            let_go();
            return {};
        }
        return broken("sent a message that makes no sense");
    }

    static bool is_sound(const Opened& about) {
        const bool length =
            !about.duration || (std::isfinite(about.duration->count()) && *about.duration >= Seconds::zero());
        constexpr int kMost = 1 << 16;
        const auto within = [](int number) { return number >= 1 && number <= kMost; };
        const bool track = !about.track || (within(about.track->number) && within(about.track->of) &&
                                            within(about.track->channels) && about.track->language.size() < 1000);
        return length && track;
    }

    Result<void> take_remark(const Frame& frame) {
        constexpr int kMostRemarks = 64;
        const auto said = decode<Remark>(frame);
        if (!said || ++remarks_ > kMostRemarks) return broken("says too much");
        const auto level =
            std::clamp(said->level, static_cast<int>(spdlog::level::trace), static_cast<int>(spdlog::level::warn));
        if (received_ == 0 || !replaced_) spdlog::log(static_cast<spdlog::level::level_enum>(level), "{}", said->text);
        return {};
    }

    Result<void> take_audio(const Frame& frame) {
        const auto count = frame.body.size() / sizeof(float);
        if (count == 0 || frame.body.size() % sizeof(float) != 0) return broken("sent what are no samples");
        samples_.resize(count);
        taken_ = 0;
        std::memcpy(samples_.data(), frame.body.data(), frame.body.size());
        if (!std::ranges::all_of(samples_, [](float sample) { return std::isfinite(sample); }))
            return broken("sent samples that are no numbers");
        received_ += count;
        if (seconds_of(received_) > limits_.max_length + kSlack) return broken("sent audio without end");
        return {};
    }

    /// The channel closed before the end. Whether the file is to blame, how it ended tells.
    Result<void> died() {
        if (process_) ::pidfd_send_signal(process_.get(), SIGKILL, nullptr, 0);
        const auto end = origin_->end_of(number_, kExitPatience);
        const bool known = end && end->code != 0;
        const int signal = known && end->code != CLD_EXITED ? end->status : 0;
        if (signal == SIGXCPU) {
            ++shared_->limited;
            return give_up(ErrorCode::audio_too_costly, "decoding it took more processor time than there is for it",
                           kConvert);
        }
        std::string how = "ended, how is not known";
        if (end && end->code == 0) how = std::format("could not be started ({})", std::strerror(end->status));
        if (known && signal == 0) how = std::format("exited with code {}", end->status);
        if (signal != 0) how = std::format("was killed by signal {} (SIG{})", signal, ::sigabbrev_np(signal));
        if (signal == SIGSYS) how += " for what no decoder may do";
        ++shared_->crashed;
        if (signal != SIGSYS && !std::exchange(replaced_, true)) {
            spdlog::warn("decoder lost, the file is decoded again from {:.1f} s on: it {}",
                         seconds_of(received_).count(), how);
            ++shared_->again;
            let_go();
            has_opened_ = false;
            return begin();
        }
        if (end && end->code == 0) return give_up(unavailable(how).error());
        return give_up(ErrorCode::decoder_crashed, std::format("the process that decoded it {}", how), kConvert);
    }

    Result<void> broken(std::string_view why) {
        ++shared_->crashed;
        return give_up(ErrorCode::decoder_crashed, std::format("the process that decoded it {} and was ended", why),
                       kConvert);
    }

    Result<void> give_up(ErrorCode code, std::string message, std::string remedy) {
        return give_up({code, std::move(message), std::move(remedy), code == ErrorCode::cancelled ? "" : "file"});
    }
    Result<void> give_up(Error error) {
        if (error.code == ErrorCode::decoder_crashed) spdlog::error("decoder crashed: {}", error.message);
        ended_ = true;
        let_go();
        return std::unexpected(std::move(error));
    }

    /// Nothing more is wanted of the decoder; where it has not ended yet it is ended.
    void let_go() {
        if (!origin_) return;
        if (process_) ::pidfd_send_signal(process_.get(), SIGKILL, nullptr, 0);
        origin_->forget(number_);
        origin_.reset();
        process_ = system::Descriptor();
        channel_ = system::Descriptor();
        --shared_->running;
    }

    const std::shared_ptr<Shared> shared_;
    const std::shared_ptr<const MediaBytes> media_;
    const DecodeLimits limits_;
    const TrackChoice choice_;
    const system::Descriptor stopped_;
    std::stop_callback<std::function<void()>> on_stop_;

    system::Descriptor file_;
    std::shared_ptr<DecoderOrigin> origin_;  // of the decoder; null where there is none
    std::uint64_t number_ = 0;
    system::Descriptor channel_;
    system::Descriptor process_;
    bool has_opened_ = false;  // this decoder
    bool opened_ = false;      // any
    bool ended_ = false;
    bool replaced_ = false;
    int remarks_ = 0;
    Opened about_;
    std::string damage_;
    std::vector<float> samples_;
    std::size_t taken_ = 0;
    std::uint64_t received_ = 0;
};

Decoders::Decoders(DecoderOptions options) : shared_(std::make_shared<Shared>(std::move(options))) {
    (void)shared_->origin();  // an error now is told by whoever needs it
}

Decoders::~Decoders() = default;

Result<std::unique_ptr<AudioSource>> Decoders::open(std::shared_ptr<const MediaBytes> media, const DecodeLimits& limits,
                                                    const TrackChoice& choice) {
    if (media->size() == 0)
        return fail(ErrorCode::audio_empty, "the audio has 0 bytes", "send a file with content", "file");
    auto source = std::make_unique<Source>(shared_, std::move(media), limits, choice);
    if (auto opened = source->open(); !opened) return std::unexpected(std::move(opened).error());
    return source;
}

Result<void> Decoders::ready() {
    auto origin = shared_->origin();
    return origin ? (*origin)->ready() : std::unexpected(std::move(origin).error());
}

Decoders::Figures Decoders::figures() const {
    const auto& at = *shared_;
    return {.running = at.running,
            .begun = at.begun,
            .crashed = at.crashed,
            .limited = at.limited,
            .hung = at.hung,
            .again = at.again};
}

}  // namespace hotmic::worker
