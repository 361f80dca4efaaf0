/// Connections of a protocol that is neither HTTP nor WebSocket, under the same limits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "hotmic/error.hpp"
#include "server/http/listener.hpp"

namespace hotmic::http {

/// One connection; everything on its loop, but `poster`.
class Stream {
public:
    Stream() = default;
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    virtual ~Stream() = default;

    virtual void send(std::string bytes) = 0;
    /// What was sent before still arrives.
    virtual void close() = 0;
    [[nodiscard]] virtual const std::string& peer() const noexcept = 0;  ///< numeric address
    [[nodiscard]] virtual const std::string& name() const noexcept = 0;  ///< address and port, for logs
    /// Nothing more is read until the last copy of what this gives is gone, wherever that happens.
    [[nodiscard]] virtual std::shared_ptr<void> hold() = 0;
    /// Runs a task on the connection's loop, unless it is gone by then. May be called by any thread and at any time.
    [[nodiscard]] virtual std::function<void(std::function<void()>)> poster() = 0;
};

/// What a protocol makes of it.
class StreamHandler {
public:
    StreamHandler() = default;
    StreamHandler(const StreamHandler&) = delete;
    StreamHandler& operator=(const StreamHandler&) = delete;
    virtual ~StreamHandler() = default;

    virtual void on_bytes(std::string_view bytes) = 0;
    /// Bytes that it keeps of those it was given.
    [[nodiscard]] virtual std::size_t held() const noexcept = 0;
    /// Something is under way: the connection does not make room for another.
    [[nodiscard]] virtual bool busy() const noexcept = 0;
    /// The other side is owed something, so its silence is none.
    [[nodiscard]] virtual bool owes() const noexcept = 0;
    /// How many messages were complete so far, and whether another has begun. One has to come as fast as a body does.
    struct Progress {
        std::uint64_t messages = 0;
        bool begun = false;
    };
    [[nodiscard]] virtual Progress progress() const noexcept = 0;
    /// The connection is closed after this, for that reason: there is no room for what it keeps, or it is too slow.
    virtual void on_refused(const Error& why) = 0;
};

using OpenStream = std::function<std::shared_ptr<StreamHandler>(const std::shared_ptr<Stream>& stream)>;

/// As `serve`. `service` (its limits, budget and door) must outlive the loops' run.
void serve_streams(Port& port, const Service& service, OpenStream open);

}  // namespace hotmic::http
