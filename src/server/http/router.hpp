/// Which handler a request is for.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hotmic/error.hpp"
#include "server/http/message.hpp"
#include "server/http/socket.hpp"

namespace hotmic::http {

/// Takes a body as it comes. All calls are on the connection's loop; after `finish` or `fail` there are no more.
class BodyReader {
public:
    BodyReader() = default;
    BodyReader(const BodyReader&) = delete;
    BodyReader& operator=(const BodyReader&) = delete;
    virtual ~BodyReader() = default;

    /// False where no more is wanted: an answer has been given.
    [[nodiscard]] virtual bool take(std::string_view bytes) = 0;
    virtual void finish() = 0;
    /// It is malformed, too slow or ended early.
    virtual void fail(const Error& error) = 0;
};

/// A path with one method. Exactly one of `handle`, `receive` and `open` is set.
struct Route {
    Method method = Method::get;
    /// `/v1/models/{id}`: a name stands for one part of the path, `{id...}` for one or more.
    std::string pattern;
    /// Asked before any of the body is read; what it gives is the answer.
    std::function<std::optional<Response>(const RequestPtr&)> check{};
    std::size_t most_body = 0;  ///< of `handle`'s Request::body; 0: it takes none
    std::function<void(const RequestPtr&, Respond)> handle{};
    /// Null: it has answered.
    std::function<std::shared_ptr<BodyReader>(const RequestPtr&, Respond)> receive{};
    OpenSession open{};         ///< of a WebSocket
    std::string subprotocol{};  ///< that it speaks, where it has one
    bool is_probe = false;      ///< answered even when there are too many connections for anything else
};

class Router {
public:
    void add(Route route);
    /// A GET whose status tells how something is. OPTIONS tells it, too, without words: load balancers ask by it (the
    /// default of HAProxy's `option httpchk`).
    void add_check(Route route);

    struct Match {
        const Route* route = nullptr;  ///< null: no such path, or not with this method
        std::vector<std::string> captures{};
        std::vector<Method> methods{};  ///< that the path has; empty: no such path
    };
    /// GET serves HEAD, too. Where several patterns fit, the one with the fewest names counts.
    [[nodiscard]] Match find(Method method, std::string_view path) const;

private:
    struct Entry;
    std::vector<std::shared_ptr<const Entry>> entries_;
};

}  // namespace hotmic::http
