#include "cli/admin_client.hpp"

#include <cstdint>
#include <format>
#include <glaze/glaze.hpp>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/remote.hpp"
#include "config/schema.hpp"
#include "hotmic/error.hpp"

namespace hotmic::cli {
namespace wire {

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

using wire::EventsJson;
using wire::JobJson;
using wire::ModelsJson;

constexpr glz::opts kTolerant{.error_on_unknown_keys = false};

std::string path_to(const std::string& model, std::string_view action) {
    return std::format("/admin/models/{}/{}", encoded(model), action);
}

}  // namespace

struct AdminClient::Impl {
    Remote remote;

    Result<std::string> get(std::string path) { return remote.call({.path = std::move(path)}); }
    Result<std::string> post(std::string path, std::string json) {
        return remote.call({.path = std::move(path), .post = true, .json = std::move(json)});
    }

    template <class Json>
    Result<Json> parse(const Result<std::string>& answer) const {
        if (!answer) return std::unexpected(answer.error());
        Json json;
        if (const auto error = glz::read<kTolerant>(json, *answer)) {
            return fail(ErrorCode::io_error,
                        std::format("{} answers what is not understood: {}", remote.server(),
                                    glz::format_error(error, *answer)),
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
    auto remote =
        Remote::make(flags.server, flags.key, "--admin-key (the server's server.admin_key), or in HOTMIC_ADMIN_KEY");
    if (!remote) return std::unexpected(std::move(remote).error());
    return AdminClient(std::make_unique<Impl>(*std::move(remote)));
}

Result<RemoteReadiness> AdminClient::readiness() {
    constexpr int not_ready = 503;
    return impl_->parse<RemoteReadiness>(impl_->remote.call({.path = "/readyz", .also_good = not_ready}));
}

Result<std::string> AdminClient::models_json() {
    return impl_->get("/admin/models");
}

Result<std::vector<RemoteModel>> AdminClient::models() {
    auto told = impl_->parse<ModelsJson>(models_json());
    if (!told) return std::unexpected(std::move(told.error()));
    return std::move(told->models);
}

Result<std::vector<RemoteEvent>> AdminClient::events(std::uint64_t after) {
    auto told = impl_->parse<EventsJson>(impl_->get(std::format("/admin/events?after={}", after)));
    if (!told) return std::unexpected(std::move(told.error()));
    return std::move(told->events);
}

Result<RemoteJob> AdminClient::begin(const std::string& model, const std::string& action,
                                     const std::map<std::string, config::Value>& body) {
    auto text = action == "swap" ? glz::write_json(body).value_or("{}") : std::string{};
    auto told = impl_->parse<JobJson>(impl_->post(path_to(model, action), std::move(text)));
    if (!told) return std::unexpected(std::move(told.error()));
    return std::move(told->job);
}

Result<RemoteJob> AdminClient::job(const std::string& id) {
    auto told = impl_->parse<JobJson>(impl_->get("/admin/jobs/" + encoded(id)));
    if (!told) return std::unexpected(std::move(told.error()));
    return std::move(told->job);
}

Error error_of(const RemoteJob& job) {
    if (!job.error) return {ErrorCode::internal, std::format("{} ended as {} and does not say why", job.id, job.state)};
    return {code_named(job.error->code), job.error->message, job.error->remedy.value_or("")};
}

}  // namespace hotmic::cli
