/// Asking a running server over HTTP.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"

namespace hotmic::cli {

struct RemoteRequest {
    std::string path;
    bool post = false;
    std::string json{};  ///< body of a POST
    /// Body of a POST as multipart/form-data.
    struct Upload {
        std::filesystem::path file;
        std::string file_name;
        std::vector<std::pair<std::string, std::string>> fields;
    };
    std::optional<Upload> upload{};
    std::chrono::seconds timeout{30};  ///< 0 waits for ever
    int also_good = 0;                 ///< a status that is no error besides 2xx
};

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

    /// Waits for the body of the answer. Errors: io_error where no hotmic answers; else the error that the server
    /// names, by its code.
    [[nodiscard]] Result<std::string> call(const RemoteRequest& request);

    /// As given, for messages.
    [[nodiscard]] const std::string& server() const noexcept;

private:
    struct Impl;
    explicit Remote(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// Text as one part of a path.
[[nodiscard]] std::string encoded(const std::string& text);

/// The code of that name; `internal` where there is none.
[[nodiscard]] ErrorCode code_named(std::string_view name);

}  // namespace hotmic::cli
