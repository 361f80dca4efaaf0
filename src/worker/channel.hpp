/// Framed messages over a socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <glaze/glaze.hpp>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "hotmic/error.hpp"
#include "hotmic/model_info.hpp"
#include "hotmic/transcript.hpp"
#include "system/descriptor.hpp"
#include "text/json.hpp"  // IWYU pragma: keep: how Bytes are written
#include "worker/protocol.hpp"

namespace hotmic::worker {

struct Frame {
    Kind kind{};
    std::string body;
    system::Descriptor passed{};  ///< a descriptor that came with it, on the control channel
};

/// Why nothing could be read. There is no recovering from either.
enum class Broken : std::uint8_t {
    closed,    ///< the other side is gone, perhaps in the middle of a message
    nonsense,  ///< it sent what is no frame, or one beyond the limit
};

/// The stream channel of a slot. One thread reads, one writes. `write_frame` is false when the other side is gone.
[[nodiscard]] bool write_frame(int fd, Kind kind, std::span<const std::byte> body);
[[nodiscard]] std::expected<Frame, Broken> read_frame(int fd, std::uint32_t largest = kMaxFrame);

/// The packet channel of control. Any thread may write: messages are atomic. `wait`: block while the buffer is full.
[[nodiscard]] bool send_control(int fd, Kind kind, std::span<const std::byte> body, int passed_fd = -1,
                                bool wait = true);
[[nodiscard]] std::expected<Frame, Broken> receive_control(int fd);

/// Whether the numbers of a decoded message are ones that the code behind may be given. What is only shown needs no
/// check.
template <class T>
[[nodiscard]] bool is_sound(const T&) {
    return true;
}
[[nodiscard]] inline bool is_sound(const Error& error) {
    return std::to_underlying(error.code) < error_table().size();
}
[[nodiscard]] inline bool is_sound(const Examined& examined) {
    return examined.info.has_value() != examined.why_not.has_value() &&
           examined.estimate.has_value() != examined.why_no_estimate.has_value() &&
           is_sound(examined.why_not.value_or(Error{})) && is_sound(examined.why_no_estimate.value_or(Error{}));
}
[[nodiscard]] inline bool is_sound(const ModelInfo& info) {
    return info.slots >= 1 && info.slots <= kMaxSlots;
}
[[nodiscard]] inline bool is_sound(const Transcribe& request) {
    return request.options.task <= Task::translate;
}

template <class T>
[[nodiscard]] std::string encode(const T& message) {
    std::string body;
    (void)glz::write_beve(message, body);  // into memory; cannot fail for these structs
    return body;
}

/// Nothing when the body is not a T with values that a T can have; whatever the other side sent, that is the worst of
/// it.
template <class T>
[[nodiscard]] std::optional<T> decode(const Frame& frame) {
    try {
        T message{};
        if (glz::read_beve(message, frame.body) || !is_sound(message)) return std::nullopt;
        return message;
    } catch (const std::bad_alloc&) {  // a small body may claim to be very many small things
        return std::nullopt;
    }
}

/// An error whose words are cut to what a person reads: an engine may put anything into them.
[[nodiscard]] Error bounded(Error error);

[[nodiscard]] inline std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

template <class T>
[[nodiscard]] bool write_message(int fd, Kind kind, const T& message) {
    return write_frame(fd, kind, bytes_of(encode(message)));
}

}  // namespace hotmic::worker
