/// Framed messages over a socket.
#pragma once

#include <unistd.h>

#include <glaze/glaze.hpp>
#include <span>
#include <string>
#include <utility>

#include "worker/protocol.hpp"

namespace hotmic::worker {

/// Owns a file descriptor.
class Fd {
public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Fd() {
        if (fd_ >= 0) ::close(fd_);
    }
    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }

private:
    int fd_ = -1;
};

struct Frame {
    Kind kind{};
    std::string body;
    Fd passed{};  ///< a descriptor that came with it, on the control channel
};

/// The stream channel of a slot. One thread reads, one writes.
/// `false` and nothing mean that the other side is gone or broke the protocol; there is no recovering from either.
[[nodiscard]] bool write_frame(int fd, Kind kind, std::span<const std::byte> body);
[[nodiscard]] std::optional<Frame> read_frame(int fd);

/// The packet channel of control. Any thread may write: messages are atomic. `wait`: block while the buffer is full.
[[nodiscard]] bool send_control(int fd, Kind kind, std::span<const std::byte> body, int passed_fd = -1, bool wait = true);
[[nodiscard]] std::optional<Frame> receive_control(int fd);

template <class T>
[[nodiscard]] std::string encode(const T& message) {
    std::string body;
    (void)glz::write_beve(message, body);  // into memory; cannot fail for these structs
    return body;
}

template <class T>
[[nodiscard]] std::optional<T> decode(const Frame& frame) {
    T message{};
    if (glz::read_beve(message, frame.body)) return std::nullopt;
    return message;
}

[[nodiscard]] inline std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

template <class T>
[[nodiscard]] bool write_message(int fd, Kind kind, const T& message) {
    return write_frame(fd, kind, bytes_of(encode(message)));
}

}  // namespace hotmic::worker
