/// What a client may cost.
#pragma once

#include <chrono>
#include <cstddef>

namespace hotmic::http {

struct Limits {
    using milliseconds = std::chrono::milliseconds;

    std::size_t max_connections = 1000;
    std::size_t max_connections_per_client = 0;  ///< of one address; 0: no limit
    std::size_t max_header_bytes = 32 << 10;     ///< of a request's line and fields together
    std::size_t max_header_fields = 100;
    std::size_t max_message_bytes = 21u << 20;  ///< of a WebSocket: OpenAI's limit of 15 MiB of audio, in base64
    milliseconds header_timeout{10'000};        ///< from a request's first byte to the end of its head
    milliseconds body_timeout{30'000};          ///< within each of which kLeastRate of a body must come, on average
    milliseconds idle_timeout{60'000};          ///< of a connection that is owed nothing, or does not read what it is
};

/// Connections beyond `max_connections` that are still accepted: to answer probes, and to take the place of idle ones.
inline constexpr std::size_t kReserve = 32;
/// The same beyond `max_connections_per_client`.
inline constexpr std::size_t kReserveOfClient = 4;
/// Bytes a second that a client has to send of a body, on average over each `body_timeout`.
inline constexpr double kLeastRate = 1024;
/// Bytes that a client may leave unread before it is taken for one that never reads.
inline constexpr std::size_t kMostUnread = 4u << 20;
/// Of a body that no handler wants: so much is read and dropped, so that the connection can go on.
inline constexpr std::size_t kMostDropped = 64 << 10;

}  // namespace hotmic::http
