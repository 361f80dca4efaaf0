#include "server/admin_json.hpp"

#include <cstdint>
#include <format>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/schema.hpp"
#include "hotmic/error.hpp"
#include "hotmic/served_model.hpp"
#include "hotmic/units.hpp"
#include "server/context.hpp"
#include "server/http/message.hpp"
#include "server/keys.hpp"
#include "server/responses.hpp"
#include "server/transition_json.hpp"
#include "text/json.hpp"
#include "text/utf8.hpp"

namespace hotmic::server {
namespace {

Result<config::Value> value_of(const glz::generic_i64& json, const std::string& key) {
    if (const auto* text = json.get_if<std::string>()) return *text;
    if (const auto* yes = json.get_if<bool>()) return *yes;
    if (const auto* whole = json.get_if<std::int64_t>()) return *whole;
    if (const auto* number = json.get_if<double>()) return *number;
    if (json.is_array()) {
        std::vector<std::string> texts;
        for (const auto& each : json.get_array()) {
            if (const auto* text = each.get_if<std::string>()) texts.push_back(*text);
        }
        if (texts.size() == json.get_array().size()) return texts;
    }
    return fail(ErrorCode::invalid_request,
                std::format("{} is neither text, number, true, false nor a list of texts", key), "", key);
}

/// The keys of a JSON object; those of an object within are "outer.inner", as in a configuration file.
Result<void> collect(const glz::generic_i64& json, const std::string& prefix,
                     std::map<std::string, config::Value>& keys) {
    for (const auto& [name, each] : json.get_object()) {
        const auto key = prefix + std::string(name);
        if (each.is_object()) {
            if (auto inner = collect(each, key + ".", keys); !inner) return inner;
            continue;
        }
        auto value = value_of(each, key);
        if (!value) return std::unexpected(std::move(value).error());
        keys[key] = *std::move(value);
    }
    return {};
}

}  // namespace

Result<std::map<std::string, config::Value>> keys_of(const std::string& body) {
    std::map<std::string, config::Value> keys;
    if (body.empty()) return keys;
    glz::generic_i64 json;
    if (const auto problem = glz::read_json(json, body); problem || !json.is_object()) {
        return fail(ErrorCode::invalid_request,
                    "the body is no JSON object" + (problem ? ": " + glz::format_error(problem, body) : ""),
                    R"(send keys of the model, like {"path": "ggml-small.bin"})");
    }
    if (auto collected = collect(json, "", keys); !collected) return std::unexpected(std::move(collected).error());
    return keys;
}

wire::AdminError describe(const Error& error) {
    return {.code = std::string(to_string(error.code)),
            .message = valid_utf8(error.message),
            .remedy = valid_utf8(error.remedy)};
}

wire::AdminJob describe(const Job& job) {
    return {.id = job.id,
            .kind = job.kind,
            .model = job.model,
            .state = std::string(to_string(job.state)),
            .step = valid_utf8(job.step),
            .instance = job.instance.empty() ? std::nullopt : std::optional(job.instance),
            .download = job.download.transform([](const DownloadProgress& now) {
                return wire::AdminDownload{
                    .done_bytes = now.done.count(),
                    .total_bytes = now.total ? std::optional(now.total.count()) : std::nullopt,
                    .bytes_per_second = now.bytes_per_second > 0 ? std::optional(now.bytes_per_second) : std::nullopt,
                    .eta_seconds = now.eta.transform(to_s)};
            }),
            .error = job.error.transform([](const Error& error) { return describe(error); }),
            .began = wire::time_of(job.began),
            .duration_ms = to_ms(job.duration)};
}

Response respond_job(const Job& job, int status) {
    auto response = respond_json(to_json(wire::JobBody{describe(job)}), status);
    response.headers.set("Location", "/admin/jobs/" + job.id);
    return response;
}

std::optional<Response> refuse_strangers(const Context& context, http::Request& request) {
    const auto known = context.keys.authorize(request, Scope::admin);
    if (known) return std::nullopt;
    return refusal(context, known.error(), request);
}

Response refusal(const Context& context, const Error& error, const http::Request& request) {
    context.metrics.error(to_string(error.code));
    return respond_error(error, &request);
}

}  // namespace hotmic::server
