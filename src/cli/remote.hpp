/// Asking a running server over HTTP.
#pragma once

#include <drogon/HttpRequest.h>

#include <memory>
#include <string>

#include "hotmic/error.hpp"

namespace hotmic::cli {

/// One connection. Thread of the caller only.
class Remote {
public:
    /// `key`: presented as Authorization: Bearer; empty: none. `key_flag`: where a user gives it. Errors:
    /// invalid_request when `server` is no URL. Connects to nothing yet.
    [[nodiscard]] static Result<Remote> make(const std::string& server, const std::string& key,
                                             const std::string& key_flag);
    ~Remote();
    Remote(Remote&&) noexcept;
    Remote& operator=(Remote&&) noexcept;

    /// Sends the request to `path` and waits for the body of the answer. `timeout_seconds`: 0 waits for ever. Errors:
    /// io_error where no hotmic answers; else the error that the server names, by its code.
    [[nodiscard]] Result<std::string> call(const drogon::HttpRequestPtr& request, const std::string& path,
                                           double timeout_seconds = 30);

    /// As given, for messages.
    [[nodiscard]] const std::string& server() const noexcept;

private:
    struct Impl;
    explicit Remote(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// The code of that name; `internal` where there is none.
[[nodiscard]] ErrorCode code_named(std::string_view name);

}  // namespace hotmic::cli
