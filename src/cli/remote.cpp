#include "cli/remote.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <format>
#include <glaze/glaze.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "hotmic/error.hpp"

namespace hotmic::cli {
namespace wire {

/// OpenAI's error object.
struct ErrorJson {
    struct Body {
        std::string message{};
        std::optional<std::string> param{};
        std::optional<std::string> code{};
    };
    Body error{};
};

}  // namespace wire

namespace {

using Handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using Headers = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;
using Form = std::unique_ptr<curl_mime, decltype(&curl_mime_free)>;

std::size_t append(const char* data, std::size_t, std::size_t size, void* to) {
    static_cast<std::string*>(to)->append(data, size);
    return size;
}

}  // namespace

struct Remote::Impl {
    std::string server;
    std::string base;    ///< `server` without a slash at its end
    std::string socket;  ///< path of the one at which the server is; empty: it is at an address
    std::string key;
    std::string key_flag;
    Handle http{curl_easy_init(), &curl_easy_cleanup};

    [[nodiscard]] Error refusal(int status, const std::string& path, const std::string& answer) const {
        wire::ErrorJson told;
        constexpr glz::opts kTolerant{.error_on_unknown_keys = false};
        if (glz::read<kTolerant>(told, answer) || told.error.message.empty()) {
            return {ErrorCode::io_error, std::format("{} answers {} to {}, and does not say why", server, status, path),
                    "check with --server that this is hotmic, of the same version", "--server"};
        }
        const auto code = code_named(told.error.code.value_or(""));
        Error error{code, std::move(told.error.message), "", told.error.param.value_or("")};
        if (code == ErrorCode::unauthorized && !error.message.contains(key_flag))
            error.remedy = "give it with " + key_flag;
        return error;
    }
};

ErrorCode code_named(std::string_view name) {
    const auto row = std::ranges::find(error_table(), name, &ErrorSpec::name);
    return row == error_table().end() ? ErrorCode::internal : row->code;
}

Remote::Remote(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Remote::~Remote() = default;
Remote::Remote(Remote&&) noexcept = default;
Remote& Remote::operator=(Remote&&) noexcept = default;

Result<Remote> Remote::make(const std::string& server, const std::string& key, const std::string& key_flag) {
    constexpr std::string_view kPath = "unix:";
    const auto scheme = server.find("://");
    const auto host = scheme == std::string::npos ? scheme : scheme + 3;
    const bool is_url = host != std::string::npos && host < server.size() &&
                        (server.starts_with("http://") || server.starts_with("https://"));
    if (!is_url && !server.starts_with("unix:/")) {
        return fail(ErrorCode::invalid_request, std::format("\"{}\" is not the URL of a server", server),
                    "it looks like http://127.0.0.1:8090, or unix:/run/hotmic/admin.sock", "--server");
    }
    auto impl = std::make_unique<Impl>();
    impl->server = server;
    impl->key = key;
    impl->key_flag = key_flag;
    if (server.starts_with(kPath)) impl->socket = server.substr(kPath.size());
    impl->base = impl->socket.empty() ? server : "http://localhost";
    while (impl->base.ends_with('/')) impl->base.pop_back();
    if (!impl->http) return fail(ErrorCode::internal, "libcurl could not be set up");
    return Remote(std::move(impl));
}

const std::string& Remote::server() const noexcept {
    return impl_->server;
}

Result<std::string> Remote::call(const RemoteRequest& request) {
    auto* http = impl_->http.get();
    curl_easy_reset(http);  // the connection stays
    Headers headers(nullptr, &curl_slist_free_all);
    const auto add_header = [&](const std::string& line) {
        headers.reset(curl_slist_append(headers.release(), line.c_str()));
    };
    add_header("Accept: application/json, */*");
    add_header("Expect:");  // an upload is not held back for a word that may not come
    if (!impl_->key.empty()) add_header("Authorization: Bearer " + impl_->key);
    const auto url = impl_->base + request.path;
    std::string answer;
    curl_easy_setopt(http, CURLOPT_URL, url.c_str());
    curl_easy_setopt(http, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(http, CURLOPT_NOPROXY, "*");  // --server is where the server is
    if (!impl_->socket.empty()) curl_easy_setopt(http, CURLOPT_UNIX_SOCKET_PATH, impl_->socket.c_str());
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
    if (const char* authorities = std::getenv("SSL_CERT_FILE")) curl_easy_setopt(http, CURLOPT_CAINFO, authorities);
    curl_easy_setopt(http, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(http, CURLOPT_TIMEOUT_MS, static_cast<long>(std::chrono::milliseconds(request.timeout).count()));
    curl_easy_setopt(http, CURLOPT_WRITEFUNCTION, &append);
    curl_easy_setopt(http, CURLOPT_WRITEDATA, &answer);
    Form form(nullptr, &curl_mime_free);
    if (const auto& upload = request.upload) {
        form.reset(curl_mime_init(http));
        for (const auto& [name, value] : upload->fields) {
            auto* part = curl_mime_addpart(form.get());
            curl_mime_name(part, name.c_str());
            curl_mime_data(part, value.data(), value.size());
        }
        auto* part = curl_mime_addpart(form.get());
        curl_mime_name(part, "file");
        curl_mime_filedata(part, upload->file.c_str());
        curl_mime_filename(part, upload->file_name.c_str());
        curl_easy_setopt(http, CURLOPT_MIMEPOST, form.get());
    } else if (request.post) {
        if (!request.json.empty()) add_header("Content-Type: application/json");
        curl_easy_setopt(http, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.json.size()));
        curl_easy_setopt(http, CURLOPT_COPYPOSTFIELDS, request.json.c_str());
    }
    curl_easy_setopt(http, CURLOPT_HTTPHEADER, headers.get());
    const auto result = curl_easy_perform(http);
    if (result == CURLE_OPERATION_TIMEDOUT) {
        return fail(ErrorCode::io_error,
                    std::format("{} does not answer within {} s", impl_->server, request.timeout.count()),
                    "try again; `hotmic serve` may be starting or stuck", "--server");
    }
    long status = 0;
    curl_easy_getinfo(http, CURLINFO_RESPONSE_CODE, &status);
    // A server that refuses an upload may close before all of it was sent; what it said counts.
    if (result != CURLE_OK && (status < 400 || answer.empty())) {
        return fail(ErrorCode::io_error,
                    std::format("no server answers at {} ({})", impl_->server, curl_easy_strerror(result)),
                    "start one with `hotmic serve`, or name its address with --server", "--server");
    }
    if ((status < 200 || status > 299) && status != request.also_good)
        return std::unexpected(impl_->refusal(static_cast<int>(status), request.path, answer));
    return answer;
}

std::string encoded(const std::string& text) {
    const std::unique_ptr<char, decltype(&curl_free)> part(
        curl_easy_escape(nullptr, text.data(), static_cast<int>(text.size())), &curl_free);
    return part ? part.get() : text;
}

}  // namespace hotmic::cli
