#include "worker/decoder_origin.hpp"

#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "system/descriptor.hpp"
#include "system/mutex.hpp"
#include "system/sandbox.hpp"
#include "worker/channel.hpp"
#include "worker/decoders.hpp"
#include "worker/process.hpp"
#include "worker/protocol.hpp"

namespace hotmic::worker {
namespace {

/// Nothing, but where the program's libraries are, if that has to be said.
std::vector<std::string> what_it_needs_to_start() {
    const char* libraries = std::getenv("LD_LIBRARY_PATH");
    if (libraries == nullptr) return {};
    return {std::string("LD_LIBRARY_PATH=") + libraries};
}

}  // namespace

Result<std::shared_ptr<DecoderOrigin>> DecoderOrigin::start(const DecoderOptions& options) {
    auto origin = std::make_shared<DecoderOrigin>();
    auto* raw = origin.get();
    auto process = WorkerProcess::spawn(
        options.executable, "decoders",
        {[raw](const Frame& frame) { return raw->on_message(frame); }, [raw](bool) { raw->on_end(); }},
        options.heartbeat, {.command = "decoder", .environment = what_it_needs_to_start()});
    if (!process) {
        auto error = std::move(process).error();
        error.code = ErrorCode::decoder_unavailable;
        return std::unexpected(std::move(error));
    }
    origin->process_ = *std::move(process);
    // It stands between a client and the answer.
    origin->process_->stop_yielding();
    (void)origin->process_->send(
        Kind::prepare,
        encode(Prepare{.sandbox = std::string(system::to_string(options.sandbox)), .memory = options.memory}));
    return origin;
}

Result<void> DecoderOrigin::ready() {
    Lock lock(mutex_);
    changed_.wait_for(lock, WorkerProcess::kStartAllowance,
                      [this] HOTMIC_REQUIRES(mutex_) { return answer_ || ended_; });
    if (answer_) return *answer_;
    lock.unlock();
    if (!process_->ended()) process_->condemn("did not get ready");
    (void)process_->wait_ended(WorkerProcess::kExitPatience);
    return fail(ErrorCode::decoder_unavailable, process_->exit_report("while it got ready"),
                "check the limits on processes and memory");
}

system::Descriptor DecoderOrigin::fork(const Decode& request) {
    std::array<int, 2> channel{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel.data()) != 0) return {};
    system::Descriptor ours(channel[0]);
    const system::Descriptor theirs(channel[1]);
    {
        const Lock lock(mutex_);
        if (ended_) return {};
        ends_.emplace(request.number, std::nullopt);
    }
    if (process_->send(Kind::decode, encode(request), theirs.get())) return ours;
    forget(request.number);
    return {};
}

std::optional<DecoderEnded> DecoderOrigin::end_of(std::uint64_t number, std::chrono::milliseconds patience) {
    Lock lock(mutex_);
    const auto known = [&] HOTMIC_REQUIRES(mutex_) {
        return ended_ || !ends_.contains(number) || ends_[number].has_value();
    };
    changed_.wait_for(lock, patience, known);
    const auto end = ends_.extract(number);
    return end.empty() ? std::nullopt : end.mapped();
}

void DecoderOrigin::forget(std::uint64_t number) {
    const Lock lock(mutex_);
    ends_.erase(number);
}

bool DecoderOrigin::on_message(const Frame& frame) {
    const Lock lock(mutex_);
    if (frame.kind == Kind::decoder_ended) {
        const auto end = decode<DecoderEnded>(frame);
        if (!end) return false;
        if (const auto at = ends_.find(end->number); at != ends_.end()) at->second = *end;
    } else if (frame.kind == Kind::prepared && !answer_) {
        const auto prepared = decode<Prepared>(frame);
        if (!prepared) return false;
        if (!prepared->lacking.empty()) spdlog::warn("sandbox: decoders could not give up all: {}", prepared->lacking);
        answer_.emplace();
    } else if (frame.kind == Kind::failed && !answer_) {
        auto error = decode<Error>(frame);
        if (!error) return false;
        answer_.emplace(std::unexpected(*std::move(error)));
    } else {
        return false;
    }
    changed_.notify_all();
    return true;
}

void DecoderOrigin::on_end() {
    const Lock lock(mutex_);
    ended_ = true;
    changed_.notify_all();
}

}  // namespace hotmic::worker
