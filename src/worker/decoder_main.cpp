#include "worker/decoder_main.hpp"

#include <poll.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <format>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "audio/budget.hpp"
#include "audio/libav.hpp"
#include "audio/media_file.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/units.hpp"
#include "system/descriptor.hpp"
#include "system/pidfd.hpp"
#include "system/sandbox.hpp"
#include "system/sanitized.hpp"
#include "system/seccomp.hpp"
#include "text/utf8.hpp"
#include "worker/channel.hpp"
#include "worker/protocol.hpp"
#include "worker/settle.hpp"

namespace hotmic::worker {
namespace {

constexpr int kControl = 3;
/// Samples of one message: a second.
constexpr std::size_t kPiece = kSampleRate;
static_assert(kPiece * sizeof(float) <= kMaxControl);
/// A file's remarks beyond these would only fill the log.
constexpr int kMostRemarks = 32;
constexpr std::size_t kMostRemark = 1000;

/// What the server says over a decoder's channel, and is told.
class Channel {
public:
    explicit Channel(system::Descriptor fd) : fd_(std::move(fd)) {}

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    template <class T>
    void tell(Kind kind, const T& message, int passed = -1) const {
        // A server that does not listen any more has no use for this process.
        if (!send_control(fd_.get(), kind, bytes_of(encode(message)), passed)) std::_Exit(0);
    }
    void send(AudioView samples) const {
        if (!send_control(fd_.get(), Kind::audio, std::as_bytes(samples))) std::_Exit(0);
    }

private:
    const system::Descriptor fd_;
};

/// Log lines go over the channel, for a decoder has nothing else open.
class Remarks final : public spdlog::sinks::base_sink<std::mutex> {
public:
    explicit Remarks(const Channel& channel) : channel_(channel) {}

protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        if (++count_ > kMostRemarks) return;
        const std::string_view text(message.payload.data(), message.payload.size());
        channel_.tell(Kind::remark, Remark{static_cast<int>(message.level), std::string(cut(text, kMostRemark))});
    }
    void flush_() override {}

private:
    const Channel& channel_;
    int count_ = 0;
};

void set_limit(__rlimit_resource which, std::uint64_t value) {
    // The first limit on processor time is a signal that says so, the second is SIGKILL, which may be anybody's.
    const rlimit limit{value, which == RLIMIT_CPU ? value + 1 : value};
    ::setrlimit(which, &limit);
}

/// The kernel's word on what the budget of a file (audio/budget.hpp) should have ended before.
std::uint64_t most_cpu_seconds(const Decode& request) {
    constexpr double kOfAudio = 0.03;
    constexpr Seconds kMore(2);
    const auto most = request.cpu_time + kOfAudio * request.max_length + kMore;
    return static_cast<std::uint64_t>(std::ceil(most.count()));
}

std::uint64_t address_space() {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t pages = 0;
    statm >> pages;
    return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

Error too_much_memory(Bytes most) {
    return {ErrorCode::audio_too_costly, std::format("decoding it takes more than {} MiB of memory", to_mb(most)),
            audio::kConvertCostly, "file"};
}

/// What all decoders have in common; made once, in the process that they are forked from.
struct Common {
    const OpenMedia& open;
    Bytes memory{};
    std::uint64_t address_space = 0;
    std::optional<system::SyscallFilter> filter{};  ///< none where there is no seccomp, or no sandbox
};

/// Decodes its one file. Never returns.
class Decoder {
public:
    Decoder(const Common& common, Decode request, system::Descriptor channel)
        : common_(common), request_(std::move(request)), channel_(std::move(channel)) {}

    [[noreturn]] void run() {
        ::prctl(PR_SET_NAME, "hotmic decoder");
        auto logger = std::make_shared<spdlog::logger>("decoder", std::make_shared<Remarks>(channel_));
        logger->set_level(spdlog::level::debug);
        spdlog::set_default_logger(std::move(logger));
        channel_.tell(Kind::begun, Empty{}, system::Descriptor(::pidfd_open(::getpid(), 0)).get());
        auto media = receive_control(channel_.fd());
        if (!media || media->kind != Kind::media || !media->passed) std::_Exit(0);
        give_up();
        if (common_.filter) {
            if (const auto filtered = common_.filter->load(); !filtered) finish(filtered.error());
        }
        try {
            finish(decode(std::make_shared<audio::MediaFile>(std::move(media->passed))));
        } catch (const std::bad_alloc&) {
            finish(std::unexpected(too_much_memory(common_.memory)));
        }
    }

private:
    void give_up() const {
        set_limit(RLIMIT_CPU, most_cpu_seconds(request_));
        set_limit(RLIMIT_FSIZE, 0);
        set_limit(RLIMIT_NPROC, 0);
        if (system::kSanitized) return;
        set_limit(RLIMIT_NOFILE, 0);
        set_limit(RLIMIT_AS, common_.address_space + common_.memory.count());
    }

    Result<void> decode(std::shared_ptr<const MediaBytes> media) {
        auto source = common_.open(std::move(media),
                                   {.max_length = request_.max_length,
                                    .cpu_time = request_.cpu_time,
                                    .formats = {.containers = request_.containers, .codecs = request_.codecs}},
                                   {.language = request_.language, .channel = request_.channel});
        if (!source) return std::unexpected(std::move(source).error());
        channel_.tell(Kind::opened, Opened{(*source)->duration_hint(), (*source)->track()});
        return deliver(**source);
    }

    Result<void> deliver(AudioSource& source) {
        std::vector<float> piece(kPiece);
        std::uint64_t skip = request_.skip;
        std::string lost;
        while (true) {
            const auto got = source.read(piece);
            if (auto now = source.damage(); now != lost) channel_.tell(Kind::lost, Lost{lost = cut(now, kMostWords)});
            if (!got) return std::unexpected(got.error());
            const auto skipped = std::min<std::uint64_t>(skip, *got);
            skip -= skipped;
            if (*got > skipped) channel_.send(AudioView(piece).subspan(skipped, *got - skipped));
            if (*got < piece.size()) return {};
        }
    }

    [[noreturn]] void finish(const Result<void>& result) const {
        if (result)
            channel_.tell(Kind::ended, Empty{});
        else
            channel_.tell(Kind::failed, bounded(result.error()));
        std::_Exit(0);
    }
    [[noreturn]] void finish(const Error& error) const { finish(std::unexpected(error)); }

    const Common& common_;
    const Decode request_;
    const Channel channel_;
};

/// The process that decoders are forked from.
class Origin {
public:
    explicit Origin(const OpenMedia& open) : common_{.open = open} {
        sigset_t children;
        ::sigemptyset(&children);
        ::sigaddset(&children, SIGCHLD);
        ::sigprocmask(SIG_BLOCK, &children, nullptr);
        ends_ = system::Descriptor(::signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK));
    }

    int run() {
        while (true) {
            std::array watched{pollfd{kControl, POLLIN, 0}, pollfd{ends_.get(), POLLIN, 0}};
            if (::poll(watched.data(), watched.size(), -1) < 0) continue;
            if (watched[1].revents != 0) reap();
            if (watched[0].revents == 0) continue;
            auto frame = receive_control(kControl);
            if (!frame) return 0;
            if (frame->kind == Kind::ping)
                tell(Kind::pong, Empty{});
            else if (frame->kind == Kind::prepare)
                prepare(*frame);
            else if (frame->kind == Kind::decode)
                begin(*std::move(frame));
            else
                return 1;
        }
    }

private:
    template <class T>
    static void tell(Kind kind, const T& message) {
        (void)send_control(kControl, kind, bytes_of(encode(message)));
    }

    void prepare(const Frame& frame) {
        const auto asked = worker::decode<Prepare>(frame);
        if (!asked) return;
        if (asked->build != kBuild) {
            return tell(Kind::failed,
                        Error{ErrorCode::decoder_unavailable,
                              "server (" + asked->build + ") and decoder (" + kBuild + ") are different builds",
                              "restart the server after an upgrade"});
        }
        audio::prepare_libav();
        common_.memory = asked->memory;
        const auto mode = system::sandbox_named(asked->sandbox).value_or(system::Sandbox::require);
        common_.address_space = address_space();
        auto lacking = confine(mode);
        if (!lacking) return tell(Kind::failed, bounded(lacking.error()));
        tell(Kind::prepared, Prepared{*std::move(lacking)});
    }

    /// This process forks, so that only what its decoders do not do either is given up here: files, networks,
    /// privileges.
    Result<std::string> confine(system::Sandbox mode) {
        auto lacking = system::give_up_reach(mode, {}, false);
        if (!lacking || mode == system::Sandbox::off || !system::seccomp_available()) return lacking;
        auto filter = system::SyscallFilter::make(system::Work::decoding);
        if (filter) {
            common_.filter.emplace(*std::move(filter));
            return lacking;
        }
        if (mode == system::Sandbox::require) return std::unexpected(std::move(filter).error());
        return *lacking + (lacking->empty() ? "" : "; ") + filter.error().message;
    }

    void begin(Frame frame) {
        auto request = worker::decode<Decode>(frame);
        if (!request || !frame.passed) return;
        const auto child = ::fork();
        if (child == 0) {
            // Standard input is /dev/null, opened for reading: what is written to it vanishes with an error.
            if (!system::kSanitized) {
                ::dup2(STDIN_FILENO, STDOUT_FILENO);
                ::dup2(STDIN_FILENO, STDERR_FILENO);
            }
            ::close(kControl);
            ends_ = system::Descriptor();
            Decoder(common_, *std::move(request), std::move(frame.passed)).run();
        }
        if (child > 0)
            decoders_.emplace(child, request->number);
        else
            tell(Kind::decoder_ended, DecoderEnded{.number = request->number, .code = 0, .status = errno});
    }

    void reap() {
        signalfd_siginfo signal{};
        while (::read(ends_.get(), &signal, sizeof signal) > 0) {
        }
        siginfo_t end{};
        while (::waitid(P_ALL, 0, &end, WEXITED | WNOHANG) == 0 && end.si_pid != 0) {
            if (const auto decoder = decoders_.extract(end.si_pid))
                tell(Kind::decoder_ended, DecoderEnded{decoder.mapped(), end.si_code, end.si_status});
            end = {};
        }
    }

    Common common_;
    system::Descriptor ends_;
    std::map<pid_t, std::uint64_t> decoders_;
};

}  // namespace

int decoder_main(const OpenMedia& open) {
    settle_in("hotmic decoders");
    std::_Exit(Origin(open).run());
}

}  // namespace hotmic::worker
