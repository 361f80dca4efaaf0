#include "cli/remote.hpp"

#include <drogon/HttpClient.h>
#include <trantor/net/EventLoopThread.h>
#include <trantor/utils/Logger.h>

#include <algorithm>
#include <format>
#include <glaze/glaze.hpp>
#include <utility>

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

struct Remote::Impl {
    std::string server;
    std::string prefix;  ///< path that the server is behind
    std::string key;
    std::string key_flag;
    trantor::EventLoopThread loop{"remote"};
    drogon::HttpClientPtr http{};

    ~Impl() {
        // Its sockets live on the loop's thread and must be closed there, while there is a loop.
        loop.getLoop()->queueInLoop([last = std::move(http)] {});
    }

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
    const auto scheme = server.find("://");
    const auto host = scheme == std::string::npos ? scheme : scheme + 3;
    if (host == std::string::npos || host >= server.size() ||
        !(server.starts_with("http://") || server.starts_with("https://"))) {
        return fail(ErrorCode::invalid_request, std::format("\"{}\" is not the URL of a server", server),
                    "it looks like http://127.0.0.1:8090", "--server");
    }
    const auto slash = server.find('/', host);
    auto impl = std::make_unique<Impl>();
    impl->server = server;
    impl->key = key;
    impl->key_flag = key_flag;
    if (slash != std::string::npos) impl->prefix = server.substr(slash);
    while (impl->prefix.ends_with('/')) impl->prefix.pop_back();
    trantor::Logger::setLogLevel(trantor::Logger::kFatal);  // it would write to standard output
    impl->loop.run();
    impl->http = drogon::HttpClient::newHttpClient(server.substr(0, slash), impl->loop.getLoop());
    return Remote(std::move(impl));
}

const std::string& Remote::server() const noexcept {
    return impl_->server;
}

Result<std::string> Remote::call(const drogon::HttpRequestPtr& request, const std::string& path,
                                 double timeout_seconds) {
    request->setPathEncode(false);
    request->setPath(impl_->prefix + path);
    if (!impl_->key.empty()) request->addHeader("Authorization", "Bearer " + impl_->key);
    const auto [result, response] = impl_->http->sendRequest(request, timeout_seconds);
    if (result == drogon::ReqResult::Timeout) {
        return fail(ErrorCode::io_error, std::format("{} does not answer within {} s", impl_->server, timeout_seconds),
                    "try again; `hotmic serve` may be starting or stuck", "--server");
    }
    if (result != drogon::ReqResult::Ok || !response) {
        return fail(ErrorCode::io_error,
                    std::format("no server answers at {} ({})", impl_->server, drogon::to_string_view(result)),
                    "start one with `hotmic serve`, or name its address with --server", "--server");
    }
    std::string answer(response->body());
    if (const auto status = static_cast<int>(response->statusCode()); status < 200 || status > 299)
        return std::unexpected(impl_->refusal(status, path, answer));
    return answer;
}

}  // namespace hotmic::cli
