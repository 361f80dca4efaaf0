/// Getting models into the store of a running server: /admin/models/pull.
#include <cstddef>
#include <cstdint>
#include <format>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "config/config.hpp"
#include "hotmic/error.hpp"
#include "hotmic/units.hpp"
#include "server/admin_json.hpp"
#include "server/context.hpp"
#include "server/http/router.hpp"
#include "server/pulls.hpp"
#include "server/responses.hpp"
#include "server/transition_json.hpp"
#include "store/library.hpp"
#include "text/json.hpp"
#include "text/utf8.hpp"

namespace hotmic::server {
namespace wire {

struct Downloading {
    std::string model;
    std::string from;
    std::uint64_t done_bytes = 0;
    std::optional<std::uint64_t> total_bytes{};
    std::optional<double> bytes_per_second{};
    std::optional<double> eta_seconds{};
    std::string began;
};

struct StoreModel {
    std::string name;
    std::string kind;
    std::uint64_t size_bytes = 0;
    std::string state;  // here, cached, available
    std::optional<std::string> path{};
};

struct PullsBody {
    std::vector<Downloading> downloads;
    std::vector<StoreModel> models;
};

}  // namespace wire

namespace {

/// The catalogue's models, and what else was pulled. Reads the store.
std::vector<wire::StoreModel> models_of(const config::Config& config) {
    const auto library = store::Library::of_process(config.models_dir);
    std::vector<wire::StoreModel> all;
    for (const auto& entry : config.known_models->entries()) {
        wire::StoreModel model{
            .name = entry.name, .kind = entry.kind, .size_bytes = entry.size().count(), .state = "available"};
        if (const auto found = library.find(entry)) {
            model.state = found->in_place ? "cached" : "here";
            model.path = valid_utf8(found->path.string());
        }
        all.push_back(std::move(model));
    }
    for (const auto& stored : library.stored()) {
        if (config.known_models->find(stored.name) != nullptr) continue;
        all.push_back({.name = stored.name,
                       .kind = "",
                       .size_bytes = stored.size().count(),
                       .state = "here",
                       .path = valid_utf8(stored.path.string())});
    }
    return all;
}

Result<Response> list(const Context& context) {
    wire::PullsBody body{.downloads = {}, .models = models_of(context.config)};
    for (const auto& each : context.downloads.under_way()) {
        const auto& now = each.progress;
        body.downloads.push_back(
            {.model = each.model,
             .from = now.from,
             .done_bytes = now.done.count(),
             .total_bytes = now.total ? std::optional(now.total.count()) : std::nullopt,
             .bytes_per_second = each.bytes_per_second > 0 ? std::optional(each.bytes_per_second) : std::nullopt,
             .eta_seconds = each.eta.transform(to_s),
             .began = wire::time_of(each.began)});
    }
    return respond_json(to_json(body));
}

Result<Pulls::What> what_of(const std::string& body) {
    auto keys = keys_of(body);
    if (!keys) return std::unexpected(std::move(keys).error());
    Pulls::What what;
    const std::map<std::string, std::string*> texts{
        {"model", &what.model}, {"url", &what.url}, {"sha256", &what.sha256}};
    for (auto& [key, value] : *keys) {
        if (const auto text = texts.find(key); text != texts.end()) {
            if (auto* given = std::get_if<std::string>(&value)) {
                *text->second = std::move(*given);
                continue;
            }
            return fail(ErrorCode::invalid_request, std::format("{} is no text", key), "", key);
        }
        if (const auto* yes = std::get_if<bool>(&value); yes != nullptr && key == "trust_new") {
            what.trust_new = *yes;
            continue;
        }
        return fail(ErrorCode::invalid_request, std::format("\"{}\" is nothing that a pull takes", key),
                    "it takes model, url, sha256 and trust_new (true or false)", key);
    }
    return what;
}

Result<Response> begin(Context& context, const std::string& body) {
    const auto what = what_of(body);
    if (!what) return std::unexpected(what.error());
    const auto job = context.pulls.begin(*what);
    if (!job) return std::unexpected(job.error());
    return respond_job(*job, 202);
}

Result<Response> cancel(Context& context, const std::string& model) {
    const auto job = context.pulls.cancel(model);
    if (!job) return std::unexpected(job.error());
    return respond_job(*job, 202);
}

}  // namespace

void add_pull_routes(http::Router& router, Context& context) {
    constexpr const char* kPath = "/admin/models/pull";
    constexpr std::size_t kMostBodyBytes = 16 << 10;
    const auto add = [&](Method method, const std::string& pattern, std::size_t most_body, auto answer) {
        router.add({.method = method,
                    .pattern = pattern,
                    .check = [&context](const RequestPtr& request) { return refuse_strangers(context, *request); },
                    .most_body = most_body,
                    .handle = std::move(answer)});
    };
    const auto tell = [&context](const RequestPtr& request, const Respond& respond, Result<Response> response) {
        respond(response ? *std::move(response) : refusal(context, response.error(), *request));
    };
    add(Method::get, kPath, 0, [&context, tell](const RequestPtr& request, const Respond& respond) {
        // It reads the disk.
        const bool taken =
            context.planning.submit([&context, tell, request, respond] { tell(request, respond, list(context)); });
        if (!taken) tell(request, respond, fail(ErrorCode::queue_full, "too many changes are under way already"));
    });
    add(Method::post, kPath, kMostBodyBytes, [&context, tell](const RequestPtr& request, const Respond& respond) {
        tell(request, respond, begin(context, request->body));
    });
    add(Method::del, std::string(kPath) + "/{name...}", 0,
        [&context, tell](const RequestPtr& request, const Respond& respond) {
            tell(request, respond, cancel(context, request->captures[0]));
        });
}

}  // namespace hotmic::server
