/// Requests and responses as handlers see them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/budget.hpp"
#include "server/http/fields.hpp"
#include "tracing/span.hpp"

namespace hotmic::http {

using Clock = std::chrono::steady_clock;

enum class Method : std::uint8_t { get, head, post, put, patch, del, options, other };

[[nodiscard]] Method method_of(std::string_view name) noexcept;
[[nodiscard]] std::string_view to_string(Method method) noexcept;

/// The connection a request came by.
class Client {
public:
    Client() = default;
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    virtual ~Client() = default;

    /// It has closed its end. Any thread.
    [[nodiscard]] virtual bool gone() const noexcept = 0;
    /// Runs `task` on the connection's loop after so long, unless the connection is gone by then. Any thread.
    virtual void after(std::chrono::milliseconds time, std::function<void()> task) = 0;
};

/// A request whose head has been read. Shared by everybody who works on it; only `share` and `body` change after it was
/// handed to its handler; `caller` is known by then.
struct Request {
    Method method = Method::get;
    std::string method_name = "GET";
    std::string target = "/";  ///< as it came, without scheme and host
    std::string path = "/";    ///< decoded, without the query
    std::vector<Fields::Field> query{};
    Fields headers{};
    std::string host{};              ///< authority of the target, else the Host field
    std::string peer{};              ///< the client's numeric address
    bool from_this_machine = false;  ///< the address is a loopback one
    std::string id{};                ///< in logs and in the answer's x-request-id
    std::string caller{};            ///< name of the key it came with; empty: it came with none
    std::string route = "unmatched";
    std::vector<std::string> captures{};  ///< what the names in the route's pattern stand for, in order
    std::string body{};                   ///< where the route wants it whole
    Budget::Share share{};                ///< what is held for this request, until the last owner lets it go
    std::weak_ptr<Client> client{};
    tracing::Span span{};  ///< ends with the answer, or with the last owner where that is a stream or a session
    Clock::time_point began = Clock::now();

    /// Empty where there is none.
    [[nodiscard]] std::string_view header(std::string_view name) const noexcept { return headers.get(name); }
    /// A parameter of the URL; empty where there is none.
    [[nodiscard]] std::string parameter(std::string_view name) const;
    [[nodiscard]] bool client_gone() const noexcept {
        const auto there = client.lock();
        return !there || there->gone();
    }
};
using RequestPtr = std::shared_ptr<Request>;

/// Part of an answer that is told bit by bit.
struct Piece {
    std::string text{};
    bool last = false;
};
/// Gives what there is to say since it was asked last. Called several times a second on the connection's loop while the
/// client reads; must not block.
using NextPiece = std::function<Piece()>;

struct Response {
    int status = 200;
    Fields headers{};
    std::string body{};
    NextPiece stream{};  ///< in place of `body`: sent until it gives the last piece or the client goes away
};

/// Answers a request. Any thread; the first call counts. Where it is destroyed uncalled, the client is told of a
/// defect.
using Respond = std::function<void(Response)>;

/// The standard's words for a status.
[[nodiscard]] std::string_view reason_of(int status) noexcept;

}  // namespace hotmic::http
