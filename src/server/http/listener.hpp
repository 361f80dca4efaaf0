/// A port on which requests are answered.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "hotmic/error.hpp"
#include "server/http/budget.hpp"
#include "server/http/door.hpp"
#include "server/http/limits.hpp"
#include "server/http/loop.hpp"
#include "server/http/message.hpp"
#include "server/http/router.hpp"
#include "server/http/tls.hpp"

namespace hotmic::http {

/// What is the same for every request.
struct Hooks {
    /// An error as an answer. Null: the request could not be read.
    std::function<Response(const Error&, const Request*)> failure;
    /// Asked before the route is; what it gives is the answer.
    std::function<std::optional<Response>(const RequestPtr&, const Router::Match&)> admit;
    /// Completes every answer just before it is sent, that of a WebSocket (101), too.
    std::function<void(const Request&, Response&)> complete;
};

/// What all connections share. Constant once a listener runs.
struct Service {
    Router router{};
    Limits limits{};
    Budget& budget;
    Door& door;
    Hooks hooks{};
    std::shared_ptr<const Tls> tls{};  ///< null: bytes go as they are
};

/// A TCP port, or a path, that is bound and not listened on until `start`.
class Port {
public:
    /// `host`: a name or an address, IPv6 ones with or without brackets. `key`: of the configuration, for errors.
    /// Errors: config_invalid, address_in_use, io_error.
    [[nodiscard]] static Result<Port> bind(Loops& loops, const std::string& host, std::uint16_t port,
                                           const std::string& key);
    /// A socket at `path`, which this user and its group may connect to. One that is left of a process that is gone is
    /// replaced, and it goes with the Port. Errors: config_invalid, address_in_use, io_error.
    [[nodiscard]] static Result<Port> bind_path(Loops& loops, const std::string& path, const std::string& key);
    /// A socket that somebody else has bound and listens on for us. Takes `descriptor` where that succeeds; `name` is
    /// for errors. Errors: config_invalid, it is no such socket.
    [[nodiscard]] static Result<Port> adopt(Loops& loops, int descriptor, const std::string& name);
    ~Port();
    Port(Port&&) noexcept;
    Port& operator=(Port&&) noexcept;

    /// 0: it is a path.
    [[nodiscard]] std::uint16_t number() const;
    /// The numeric address, or the path.
    [[nodiscard]] const std::string& address() const noexcept;

    struct Impl;
    [[nodiscard]] Impl& impl() noexcept { return *impl_; }

private:
    explicit Port(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// Begins to accept and serve HTTP. `service` must outlive the loops' run. Call before it, or on the main loop.
void serve(Port& port, const Service& service);
/// "host:port", with brackets around an IPv6 address.
[[nodiscard]] std::string authority_of(const std::string& host, std::uint16_t port);

}  // namespace hotmic::http
