/// The syntax of HTTP/1.1 (RFC 9112), read strictly: whatever two readers might understand differently is an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "hotmic/error.hpp"
#include "server/http/fields.hpp"
#include "server/http/limits.hpp"

namespace hotmic::http {

struct RequestHead {
    std::string method;
    std::string target;
    bool is_http_10 = false;
    Fields headers{};
    std::size_t bytes = 0;
    bool keep_alive = true;
    bool has_body = false;
    std::optional<std::uint64_t> content_length{};  ///< none: chunked, or no body
};

/// One request. Holds nothing of the body.
class RequestParser {
public:
    using OnBody = std::function<void(std::string_view)>;

    RequestParser(const Limits& limits, OnBody on_body);
    ~RequestParser();
    RequestParser(const RequestParser&) = delete;
    RequestParser& operator=(const RequestParser&) = delete;

    /// Reads on, and gives how many of the bytes were used; the others have to come again with more after them. Stops
    /// after the head and after the request. Errors: invalid_request, headers_too_large; there is no way on after one.
    [[nodiscard]] Result<std::size_t> feed(std::string_view bytes);

    [[nodiscard]] bool head_done() const noexcept;
    [[nodiscard]] bool done() const noexcept;
    /// Once `head_done`.
    [[nodiscard]] RequestHead& head() noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace hotmic::http
