#include "cli/admin_client.hpp"

#include <drogon/HttpClient.h>
#include <drogon/utils/Utilities.h>
#include <trantor/net/EventLoopThread.h>
#include <trantor/utils/Logger.h>

#include <algorithm>
#include <format>
#include <glaze/glaze.hpp>

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

struct JobJson {
    RemoteJob job{};
};

struct ModelsJson {
    std::vector<RemoteModel> models{};
};

struct EventsJson {
    std::vector<RemoteEvent> events{};
};

}  // namespace wire

namespace {

using wire::ErrorJson;
using wire::EventsJson;
using wire::JobJson;
using wire::ModelsJson;

constexpr double kTimeoutSeconds = 30;
constexpr glz::opts kTolerant{.error_on_unknown_keys = false};

ErrorCode code_named(std::string_view name) {
    const auto row = std::ranges::find(error_table(), name, &ErrorSpec::name);
    return row == error_table().end() ? ErrorCode::internal : row->code;
}

/// Text as one part of a path. The library's encoding is that of forms, where a space is a plus.
std::string encoded(const std::string& text) {
    std::string part;
    for (const char c : drogon::utils::urlEncodeComponent(text))
        part += c == '+' ? std::string("%20") : std::string(1, c);
    return part;
}

std::string path_to(const std::string& model, std::string_view action) {
    return std::format("/admin/models/{}/{}", encoded(model), action);
}

}  // namespace

struct AdminClient::Impl {
    std::string server;  ///< as given, for messages
    std::string prefix;  ///< path that the server is behind
    std::string key;
    trantor::EventLoopThread loop{"admin-client"};
    drogon::HttpClientPtr http{};

    ~Impl() {
        // Its sockets live on the loop's thread and must be closed there, while there is a loop.
        loop.getLoop()->queueInLoop([last = std::move(http)] {});
    }

    Result<std::string> call(drogon::HttpMethod method, const std::string& path, std::string body = {}) {
        const auto request = drogon::HttpRequest::newHttpRequest();
        request->setMethod(method);
        request->setPathEncode(false);
        request->setPath(prefix + path);
        request->addHeader("Accept", "application/json");
        if (!key.empty()) request->addHeader("Authorization", "Bearer " + key);
        if (!body.empty()) {
            request->setContentTypeCode(drogon::CT_APPLICATION_JSON);
            request->setBody(std::move(body));
        }
        const auto [result, response] = http->sendRequest(request, kTimeoutSeconds);
        if (result == drogon::ReqResult::Timeout) {
            return fail(ErrorCode::io_error, std::format("{} does not answer within {} s", server, kTimeoutSeconds),
                        "try again; `hotmic serve` may be starting or stuck", "--server");
        }
        if (result != drogon::ReqResult::Ok || !response) {
            return fail(ErrorCode::io_error,
                        std::format("no server answers at {} ({})", server, drogon::to_string_view(result)),
                        "start one with `hotmic serve`, or name its address with --server", "--server");
        }
        std::string answer(response->body());
        if (const auto status = static_cast<int>(response->statusCode()); status < 200 || status > 299) {
            return std::unexpected(refusal(status, path, answer));
        }
        return answer;
    }

    [[nodiscard]] Error refusal(int status, const std::string& path, const std::string& answer) const {
        ErrorJson told;
        if (glz::read<kTolerant>(told, answer) || told.error.message.empty()) {
            return {ErrorCode::io_error, std::format("{} answers {} to {}, and does not say why", server, status, path),
                    "check with --server that this is hotmic, of the same version", "--server"};
        }
        const auto code = code_named(told.error.code.value_or(""));
        Error error{code, std::move(told.error.message), "", told.error.param.value_or("")};
        if (code == ErrorCode::unauthorized && !error.message.contains("admin-key")) {
            error.remedy = "give the server's server.admin_key with --admin-key, or in HOTMIC_ADMIN_KEY";
        }
        return error;
    }

    template <class Json>
    Result<Json> parse(const Result<std::string>& answer) const {
        if (!answer) return std::unexpected(answer.error());
        Json json;
        if (const auto error = glz::read<kTolerant>(json, *answer)) {
            return fail(ErrorCode::io_error,
                        std::format("{} answers what is not understood: {}", server, glz::format_error(error, *answer)),
                        "check with --server that this is hotmic, of the same version", "--server");
        }
        return json;
    }
};

AdminClient::AdminClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AdminClient::~AdminClient() = default;
AdminClient::AdminClient(AdminClient&&) noexcept = default;
AdminClient& AdminClient::operator=(AdminClient&&) noexcept = default;

Result<AdminClient> AdminClient::make(const AdminFlags& flags) {
    const auto scheme = flags.server.find("://");
    const auto host = scheme == std::string::npos ? scheme : scheme + 3;
    if (host == std::string::npos || host >= flags.server.size() ||
        !(flags.server.starts_with("http://") || flags.server.starts_with("https://"))) {
        return fail(ErrorCode::invalid_request, std::format("\"{}\" is not the URL of a server", flags.server),
                    "it looks like http://127.0.0.1:8090", "--server");
    }
    const auto slash = flags.server.find('/', host);
    auto impl = std::make_unique<Impl>();
    impl->server = flags.server;
    impl->key = flags.key;
    if (slash != std::string::npos) impl->prefix = flags.server.substr(slash);
    while (impl->prefix.ends_with('/')) impl->prefix.pop_back();
    trantor::Logger::setLogLevel(trantor::Logger::kFatal);  // it would write to standard output
    impl->loop.run();
    impl->http = drogon::HttpClient::newHttpClient(flags.server.substr(0, slash), impl->loop.getLoop());
    return AdminClient(std::move(impl));
}

Result<std::string> AdminClient::models_json() {
    return impl_->call(drogon::Get, "/admin/models");
}

Result<std::vector<RemoteModel>> AdminClient::models() {
    auto told = impl_->parse<ModelsJson>(models_json());
    if (!told) return std::unexpected(std::move(told.error()));
    return std::move(told->models);
}

Result<std::vector<RemoteEvent>> AdminClient::events(std::uint64_t after) {
    auto told = impl_->parse<EventsJson>(impl_->call(drogon::Get, std::format("/admin/events?after={}", after)));
    if (!told) return std::unexpected(std::move(told.error()));
    return std::move(told->events);
}

Result<RemoteJob> AdminClient::begin(const std::string& model, const std::string& action,
                                     const std::map<std::string, config::Value>& body) {
    auto text = action == "swap" ? glz::write_json(body).value_or("{}") : std::string{};
    auto told = impl_->parse<JobJson>(impl_->call(drogon::Post, path_to(model, action), std::move(text)));
    if (!told) return std::unexpected(std::move(told.error()));
    return std::move(told->job);
}

Result<RemoteJob> AdminClient::job(const std::string& id) {
    auto told = impl_->parse<JobJson>(impl_->call(drogon::Get, "/admin/jobs/" + encoded(id)));
    if (!told) return std::unexpected(std::move(told.error()));
    return std::move(told->job);
}

Error error_of(const RemoteJob& job) {
    if (!job.error) return {ErrorCode::internal, std::format("{} ended as {} and does not say why", job.id, job.state)};
    return {code_named(job.error->code), job.error->message, job.error->remedy.value_or("")};
}

}  // namespace hotmic::cli
