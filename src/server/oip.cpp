/// Open Inference Protocol v2, as KServe and Triton speak it, with the model repository extension.
/// https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
///
/// A model takes one BYTES tensor "audio" (an encoded recording: base64 in JSON, or raw with the binary tensor data
/// extension) and answers BYTES tensors "text" and "language".
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <format>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asr/languages.hpp"
#include "hotmic/error.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/state.hpp"
#include "hotmic/transcript.hpp"
#include "server/clients.hpp"
#include "server/context.hpp"
#include "server/http/message.hpp"
#include "server/http/over_budget.hpp"
#include "server/http/router.hpp"
#include "server/keys.hpp"
#include "server/live_input.hpp"
#include "server/recognition.hpp"
#include "server/responses.hpp"
#include "text/json.hpp"
#include "text/utf8.hpp"

namespace hotmic::server {
namespace wire {

struct OipServer {
    std::string name = "hotmic";
    std::string version = HOTMIC_VERSION;
    std::vector<std::string> extensions{"binary_tensor_data", "model_repository"};
};
struct OipLive {
    bool live = true;
};
struct OipReady {
    bool ready = false;
};
struct OipModelReady {
    std::string name;
    bool ready = false;
};
struct OipTensor {
    std::string name;
    std::string datatype = "BYTES";
    std::vector<int> shape{1};
};
struct OipModel {
    std::string name;
    std::vector<std::string> versions{"1"};
    std::string platform;
    std::vector<OipTensor> inputs{{"audio"}};
    std::vector<OipTensor> outputs{{"text"}, {"language"}};
};

struct OipParameters {
    std::optional<std::size_t> binary_data_size;
    // Of a request.
    std::string language;
    std::string prompt;
    std::string task = "transcribe";
    double temperature = 0;
};
struct OipInput {
    std::string name;
    std::vector<int> shape;
    std::string datatype;
    std::optional<OipParameters> parameters;
    std::vector<std::string> data;
};
struct OipRequest {
    std::optional<std::string> id;
    std::optional<OipParameters> parameters;
    std::vector<OipInput> inputs;
};
struct OipOutput {
    std::string name;
    std::string datatype = "BYTES";
    std::vector<int> shape{1};
    std::vector<std::string> data;
};
struct OipAnswer {
    std::string model_name;
    std::string model_version = "1";
    std::optional<std::string> id;
    std::vector<OipOutput> outputs;
};
struct OipError {
    std::string error;
};
struct OipIndexEntry {
    std::string name;
    std::string version = "1";
    std::string state;
    std::string reason;
};

}  // namespace wire

namespace {

constexpr const char* kHeaderLength = "inference-header-content-length";

Response refusal(Context& context, const Error& error, std::optional<int> retry_after = {}) {
    context.metrics.error(to_string(error.code));
    auto response =
        respond_json(to_json(wire::OipError{valid_utf8(error.describe())}), spec_of(error.code).http_status);
    response.headers.set("x-hotmic-error", std::string(to_string(error.code)));
    if (retry_after) response.headers.set("Retry-After", std::to_string(*retry_after));
    return response;
}

std::unexpected<Error> malformed(std::string what) {
    return fail(ErrorCode::invalid_request, std::move(what),
                R"(send {"inputs": [{"name": "audio", "shape": [1], "datatype": "BYTES", "data": ["BASE64"]}]})",
                "inputs");
}

/// The elements of a BYTES tensor are each preceded by their length in four bytes, least first.
Result<std::vector<std::byte>> only_element(std::string_view tensor) {
    std::uint32_t size = 0;
    if (tensor.size() < sizeof size) return malformed("the binary tensor is shorter than the length it begins with");
    std::memcpy(&size, tensor.data(), sizeof size);
    tensor.remove_prefix(sizeof size);
    if (size != tensor.size())
        return malformed(std::format("the binary tensor's one element has {} bytes and says {}", tensor.size(), size));
    const auto bytes = std::as_bytes(std::span(tensor));
    return std::vector(bytes.begin(), bytes.end());
}

struct OipOrder {
    std::optional<std::string> id;
    Recognition::Order order;
};

Result<OipOrder> parse(std::string_view body, const std::string& header_length) {
    auto head = body;
    if (!header_length.empty()) {
        std::size_t length = 0;
        const auto* end = header_length.data() + header_length.size();
        if (std::from_chars(header_length.data(), end, length).ptr != end || length > body.size())
            return malformed("Inference-Header-Content-Length is not the length of the JSON in the body");
        head = body.substr(0, length);
    }
    wire::OipRequest request;
    constexpr auto kTolerant = glz::opts{.null_terminated = false, .error_on_unknown_keys = false};
    if (const auto problem = glz::read<kTolerant>(request, head))
        return malformed("the body is no inference request: " + glz::format_error(problem, head));
    if (request.inputs.size() != 1 || request.inputs[0].name != "audio" || request.inputs[0].datatype != "BYTES")
        return malformed("there has to be one input, \"audio\", of datatype BYTES");

    const auto& input = request.inputs[0];
    const auto binary = input.parameters ? input.parameters->binary_data_size : std::nullopt;
    if (binary && *binary != body.size() - head.size())
        return malformed("binary_data_size is not the size of what follows the JSON");
    if (!binary && input.data.size() != 1) return malformed("data has to have one element");
    auto media = binary ? only_element(body.substr(head.size())) : decode_base64(input.data[0], "inputs[0].data[0]");
    if (!media) return std::unexpected(std::move(media).error());

    OipOrder order{.id = request.id, .order = {}};
    if (media->empty()) return fail(ErrorCode::audio_empty, "the audio has 0 bytes", "", "inputs");
    order.order.media = media_in_memory(*std::move(media));
    if (const auto& parameters = request.parameters) {
        if (parameters->task != "transcribe" && parameters->task != "translate")
            return fail(ErrorCode::invalid_request, "task is neither transcribe nor translate", "", "parameters.task");
        if (!(parameters->temperature >= 0 && parameters->temperature <= 1))
            return fail(ErrorCode::invalid_request, "temperature is not from 0 to 1", "", "parameters.temperature");
        order.order.options = {.task = parameters->task == "translate" ? Task::translate : Task::transcribe,
                               .language = asked_language(parameters->language),
                               .prompt = parameters->prompt,
                               .temperature = parameters->temperature};
    }
    return order;
}

/// A body on its way in, then an inference.
class Inference final : public http::BodyReader, public std::enable_shared_from_this<Inference> {
public:
    /// `share`: of what its key may have under way.
    Inference(Context& context, RequestPtr request, Respond respond, Clients::Ticket share)
        : context_(context),
          request_(std::move(request)),
          respond_(std::move(respond)),
          model_(request_->captures.at(0)),
          share_(std::move(share)) {}

    bool take(std::string_view data) override {
        const auto most = context_.config.server.max_body_bytes;
        if (body_.size() + data.size() > most) {
            refuse({ErrorCode::body_too_large, std::format("the body is over {} bytes", most),
                    "send a compressed format or parts, or raise server.max_body_bytes"});
        } else if (!request_->share.grow(data.size())) {
            refuse(http::over_budget(), 1);
        } else {
            body_ += data;
        }
        return !refused_;
    }
    void fail(const Error& error) override { refuse(error); }
    /// Megabytes of base64 are not for a loop.
    void finish() override {
        if (refused_) return;
        if (body_.size() <= kMostOnLoop) return infer();
        if (!context_.decoders.submit([self = shared_from_this()] { self->infer(); }))
            refuse({ErrorCode::queue_full, "too many uploads wait to be decoded", "try again later"}, 1);
    }

private:
    void infer() {
        auto parsed = parse(body_, std::string(request_->header(kHeaderLength)));
        body_ = {};
        if (!parsed) return refuse(parsed.error());
        parsed->order.model = model_;
        parsed->order.share = std::move(share_);
        Recognition::begin(context_, request_, std::move(parsed->order),
                           [self = shared_from_this(), id = parsed->id](const Recognition::Outcome& outcome) {
                               self->answer(id, outcome);
                           });
    }

    void answer(const std::optional<std::string>& id, const Recognition::Outcome& outcome) {
        if (!outcome.transcript) return refuse(outcome.transcript.error(), outcome.retry_after);
        const auto formatting = request_->span.child("format");
        wire::OipAnswer answer{.model_name = model_, .id = id, .outputs = {}};
        answer.outputs.push_back({.name = "text", .data = {valid_utf8(outcome.transcript->text)}});
        answer.outputs.push_back({.name = "language", .data = {outcome.transcript->language}});
        auto response = respond_json(to_json(answer));
        response.headers.set("x-hotmic-model", outcome.served_by);
        respond_(response);
    }

    void refuse(const Error& error, std::optional<int> retry_after = {}) {
        if (std::exchange(refused_, true)) return;
        share_ = {};
        respond_(refusal(context_, error, retry_after));
    }

    Context& context_;
    const RequestPtr request_;
    const Respond respond_;
    const std::string model_;
    Clients::Ticket share_;
    std::string body_;
    bool refused_ = false;
};

class Oip : public std::enable_shared_from_this<Oip> {
public:
    explicit Oip(Context& context) : context_(context) {}

    void add_routes(http::Router& router) {
        const auto self = shared_from_this();
        const auto get = [&](const std::string& path, std::function<Response(const http::Request&)> make) {
            router.add_check({.pattern = path,
                              .handle = [make = std::move(make)](const RequestPtr& request, const Respond& respond) {
                                  respond(make(*request));
                              }});
        };
        get("/v2", [](const auto&) { return respond_json(to_json(wire::OipServer{})); });
        get("/v2/health/live", [](const auto&) { return respond_json(to_json(wire::OipLive{})); });
        get("/v2/health/ready", [self](const auto&) {
            const bool ready = self->context_.catalog.ready() && !self->context_.not_ready;
            return respond_json(to_json(wire::OipReady{ready}), ready ? 200 : 503);
        });
        for (const std::string model : {"/v2/models/{name}", "/v2/models/{name}/versions/{version}"}) {
            get(model, [self](const auto& request) { return self->describe(request.captures[0]); });
            get(model + "/ready", [self](const auto& request) { return self->ready(request.captures[0]); });
            router.add({.method = Method::post,
                        .pattern = model + "/infer",
                        .check = [self](const RequestPtr& request) { return self->may_infer(*request); },
                        .receive = [self](const RequestPtr& request,
                                          Respond respond) { return self->infer(request, std::move(respond)); }});
        }
        const auto repository = [&](const char* path, std::function<Response(const http::Request&)> make) {
            constexpr std::size_t kMostBody = 64 << 10;  // nothing in it matters here
            router.add({.method = Method::post,
                        .pattern = path,
                        .check = [self](const RequestPtr& request) -> std::optional<Response> {
                            const auto known = self->context_.keys.authorize(*request, Scope::admin);
                            if (known) return std::nullopt;
                            return refusal(self->context_, known.error());
                        },
                        .most_body = kMostBody,
                        .handle = [make = std::move(make)](const RequestPtr& request,
                                                           const Respond& respond) { respond(make(*request)); }});
        };
        repository("/v2/repository/index", [self](const auto&) { return self->index(); });
        repository("/v2/repository/models/{name...}/load",
                   [self](const auto& request) { return self->begin(request.captures[0], true); });
        repository("/v2/repository/models/{name...}/unload",
                   [self](const auto& request) { return self->begin(request.captures[0], false); });
    }

private:
    [[nodiscard]] std::optional<Response> may_infer(http::Request& request) const {
        if (auto known = context_.keys.authorize(request, Scope::transcribe); !known)
            return refusal(context_, known.error());
        if (context_.refusing)
            return refusal(context_,
                           {ErrorCode::shutting_down, "the server is shutting down", "send it to another instance"}, 5);
        return std::nullopt;
    }

    [[nodiscard]] std::shared_ptr<http::BodyReader> infer(const RequestPtr& request, Respond respond) const {
        auto share = context_.keys.begin(*request, Clients::What::request);
        if (share) return std::make_shared<Inference>(context_, request, std::move(respond), *std::move(share));
        respond(refusal(context_, share.error()));
        return nullptr;
    }

    [[nodiscard]] Response describe(const std::string& model) const {
        const auto entry = context_.catalog.find(model);
        if (!entry) return refusal(context_, entry.error());
        return respond_json(to_json(
            wire::OipModel{.name = (*entry)->name, .platform = "hotmic_" + (*entry)->model->health().provider}));
    }

    [[nodiscard]] Response ready(const std::string& model) const {
        const auto entry = context_.catalog.find(model);
        if (!entry) return refusal(context_, entry.error());
        const bool ready = context_.catalog.serving(*entry)->model->health().ready && !context_.not_ready;
        return respond_json(to_json(wire::OipModelReady{(*entry)->name, ready}), ready ? 200 : 503);
    }

    [[nodiscard]] Response index() const {
        std::vector<wire::OipIndexEntry> index;
        for (const auto& entry : context_.catalog.entries()) {
            const auto health = entry->model->health();
            const bool loads = health.state == ModelState::loading || health.state == ModelState::warming_up;
            index.push_back({.name = entry->name,
                             .state = health.ready                            ? "READY"
                                      : health.state == ModelState::unloading ? "UNLOADING"
                                      : loads                                 ? "LOADING"
                                                                              : "UNAVAILABLE",
                             .reason = health.reason});
        }
        return respond_json(to_json(index));
    }

    [[nodiscard]] Response begin(const std::string& name, bool load) const {
        const auto entry = context_.catalog.find(name);
        if (!entry) return refusal(context_, entry.error());
        const auto job = load ? (*entry)->model->load() : (*entry)->model->release();
        auto response = respond_json("{}");
        response.headers.set("Location", "/admin/jobs/" + job.id);
        return response;
    }

    Context& context_;
};

}  // namespace

void add_oip_routes(http::Router& router, Context& context) {
    std::make_shared<Oip>(context)->add_routes(router);
}

}  // namespace hotmic::server
