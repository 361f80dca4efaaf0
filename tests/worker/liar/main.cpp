/// A worker that does not keep to the protocol, in the way that the model's path says: what a server must survive when
/// the engine inside a worker has been taken over by the file it read.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <random>
#include <string>

#include "worker/channel.hpp"

namespace {

using namespace hotmic;
using namespace hotmic::worker;

constexpr int kControl = 3;

/// Lives on without a word, deaf to everything but SIGKILL.
[[noreturn]] void stay() {
    while (true) poll(nullptr, 0, -1);
}

void say(Kind kind, std::string_view body) {
    (void)send_control(kControl, kind, bytes_of(body));
}

void say_raw(std::string_view packet) {
    (void)send(kControl, packet.data(), packet.size(), MSG_NOSIGNAL);
}

ModelInfo honest() {
    return {.provider = "fake", .name = "liar", .slots = 1};
}

std::string noise(std::size_t size) {
    std::mt19937 random(7);
    std::string bytes(size, '\0');
    for (auto& byte : bytes) byte = static_cast<char>(random());
    return bytes;
}

/// Lies about the load. Returns when there is none to tell.
void lie_while_loading(const std::string& lie) {
    if (lie == "short_packet")
        say_raw("abc");
    else if (lie == "wrong_size")
        say_raw(std::string_view("\x05\0\0\0\xff\xff\xff\xff", 8));
    else if (lie == "unknown_kind")
        say(Kind{999}, "");
    else if (lie == "slot_kind_on_control")
        say(Kind::transcript, encode(Transcript{}));
    else if (lie == "noise_for_info")
        say(Kind::loaded, noise(4000));
    else if (lie == "noise_for_progress")
        say(Kind::progress, noise(16));
    else if (lie == "noise_for_error")
        say(Kind::failed, noise(100));
    else if (lie == "no_such_error")
        say(Kind::failed, encode(Error{.code = ErrorCode{255}, .message = "x"}));
    else if (lie == "two_billion_slots") {
        auto info = honest();
        info.slots = 2'000'000'000;
        say(Kind::loaded, encode(info));
    } else if (lie == "no_slots") {
        auto info = honest();
        info.slots = 0;
        say(Kind::loaded, encode(info));
    } else if (lie == "hangs_up") {
        close(kControl);
    } else {
        return;
    }
    stay();
}

/// Lies when a slot is opened, or in the answer to the first request.
void lie_on_slot(const std::string& lie, int slot) {
    if (lie == "slot_noise") (void)!write(slot, noise(64).data(), 64);
    if (lie == "slot_wrong_kind") (void)write_message(slot, Kind::transcript, Transcript{});
    if (lie == "slot_hangs_up") return;
    (void)write_message(slot, Kind::slot_ready, Empty{});
    while (const auto frame = read_frame(slot)) {
        if (frame->kind == Kind::transcribe) continue;
        if (lie == "endless_answer") {
            const FrameHeader header{Kind::transcript, 0xffffffffU};
            (void)!write(slot, &header, sizeof header);
        } else if (lie == "half_an_answer") {
            const FrameHeader header{Kind::transcript, 1000};
            (void)!write(slot, &header, sizeof header);
            return;
        } else if (lie == "noise_for_transcript") {
            (void)write_frame(slot, Kind::transcript, bytes_of(noise(2000)));
        } else if (lie == "noise_for_segment") {
            (void)write_frame(slot, Kind::segment, bytes_of(noise(2000)));
        } else if (lie == "no_such_error_code") {
            (void)write_message(slot, Kind::failed, Error{.code = ErrorCode{200}, .message = "x"});
        } else if (lie == "hangs_up_and_stays") {
            return;
        } else if (lie == "says_loaded_again") {
            say(Kind::loaded, encode(honest()));
        }
    }
}

}  // namespace

int main() {
    std::signal(SIGTERM, SIG_IGN);
    const auto load = receive_control(kControl);
    if (!load) return 1;
    const auto lie = decode<Load>(*load).value_or(Load{}).path;
    lie_while_loading(lie);
    say(Kind::loaded, encode(honest()));
    auto open = receive_control(kControl);
    if (!open) return 0;
    if (open->passed) lie_on_slot(lie, open->passed.get());
    open->passed = system::Descriptor();  // whoever waits for an answer on it must not wait for the end of this process
    stay();
}
