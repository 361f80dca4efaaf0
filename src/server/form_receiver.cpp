#include "server/form_receiver.hpp"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <format>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "hotmic/error.hpp"
#include "hotmic/media_bytes.hpp"
#include "hotmic/units.hpp"
#include "server/clients.hpp"
#include "server/context.hpp"
#include "server/http/message.hpp"
#include "server/http/multipart.hpp"
#include "server/http/over_budget.hpp"
#include "server/http/router.hpp"
#include "server/keys.hpp"
#include "server/responses.hpp"

namespace hotmic::server {
namespace {

/// Of one field that is no file: more than any has use for.
constexpr std::size_t kMostField = 64 << 10;
/// What a form has around its file.
constexpr std::uint64_t kFormLines = 1 << 20;

std::unexpected<Error> too_large(const Context& context) {
    return fail(ErrorCode::body_too_large,
                std::format("the body is over {} bytes", context.config.server.max_body_bytes),
                "send a compressed format or parts, or raise server.max_body_bytes");
}

/// Content-Length; 0 where there is none, as in a chunked body.
std::uint64_t announced_size(const http::Request& request) {
    const auto header = request.header("content-length");
    std::uint64_t size = 0;
    std::from_chars(header.data(), header.data() + header.size(), size);
    return size;
}

/// Whether it makes sense to take the body at all; the boundary of its parts.
Result<std::string> check_upload(const Context& context, http::Request& request) {
    if (context.refusing)
        return fail(ErrorCode::shutting_down, "the server is shutting down", "send the request to another instance");
    if (auto known = context.keys.authorize(request, Scope::transcribe); !known) return std::unexpected(known.error());
    auto boundary = http::MultipartParser::boundary_of(request.header("content-type"));
    if (boundary && announced_size(request) > context.config.server.max_body_bytes + kFormLines)
        return too_large(context);
    return boundary;
}

}  // namespace

FormReceiver::FormReceiver(Context& context, RequestPtr request, Respond respond, const std::string& boundary)
    : context_(context), request_(std::move(request)), respond_(std::move(respond)), parser_(boundary, *this) {
    form_.query = request_->query;
}

bool FormReceiver::take(std::string_view bytes) {
    if (auto taken = parser_.feed(bytes); !taken) refuse(taken.error());
    return !refused_;
}

void FormReceiver::finish() {
    if (refused_) return;
    if (auto complete = parser_.finish(); !complete) return refuse(complete.error());
    whole();
}

Result<void> FormReceiver::begin_part(http::MultipartParser::Part part) {
    into_ = Into::nothing;
    if (part.name == "file") {
        if (form_.file) {
            return hotmic::fail(ErrorCode::invalid_request, "the form has two parts named \"file\"",
                                "send one recording a request", "file");
        }
        form_.file = Bytes();
        upload_.emplace(context_.spool, request_->share);
        form_.file_name = part.file_name.value_or("");
        into_ = Into::file;
    } else if (part.file_name) {
        form_.other_files.push_back(std::move(part.name));
    } else {
        if (!request_->share.grow(part.name.size())) return std::unexpected(http::over_budget());
        form_.fields.emplace_back(std::move(part.name), std::string{});
        into_ = Into::field;
    }
    return {};
}

Result<void> FormReceiver::part_data(std::string_view data) {
    received_ += data.size();
    // A chunked body does not say its size beforehand.
    if (received_ > context_.config.server.max_body_bytes) return too_large(context_);
    if (into_ == Into::nothing) return {};
    if (into_ == Into::field) {
        auto& [name, value] = form_.fields.back();
        if (value.size() + data.size() > kMostField) {
            return hotmic::fail(ErrorCode::invalid_request,
                                std::format("the field \"{}\" is over {} bytes", name, kMostField), "", name);
        }
        if (!request_->share.grow(data.size())) return std::unexpected(http::over_budget());
        value += data;
        return {};
    }
    *form_.file += Bytes(data.size());
    return upload_->add(data);
}

void FormReceiver::refuse(const Error& error, std::optional<int> retry) {
    if (refused_.exchange(true)) return;
    form_ = {};
    upload_.reset();
    share_ = {};
    if (error.code == ErrorCode::server_busy && !retry) retry = 1;
    context_.metrics.error(to_string(error.code));
    respond_(respond_error(error, request_.get(), retry));
}

std::shared_ptr<const MediaBytes> FormReceiver::take_media() {
    if (!upload_) return nullptr;
    auto media = std::move(*upload_).finish();
    upload_.reset();
    return media;
}

void add_form_route(http::Router& router, Context& context, const char* path, MakeReceiver make,
                    std::function<Result<void>(const http::Request&)> check) {
    router.add({.method = Method::post,
                .pattern = path,
                .receive = [&context, make = std::move(make), check = std::move(check)](
                               const RequestPtr& request, Respond respond) -> std::shared_ptr<http::BodyReader> {
                    auto boundary = check_upload(context, *request);
                    if (boundary && check) {
                        if (auto good = check(*request); !good) boundary = std::unexpected(std::move(good).error());
                    }
                    auto share = boundary.and_then(
                        [&](const auto&) { return context.keys.begin(*request, Clients::What::request); });
                    if (share) {
                        auto receiver = make(request, std::move(respond), *boundary);
                        receiver->hold(*std::move(share));
                        return receiver;
                    }
                    const auto& error = share.error();
                    context.metrics.error(to_string(error.code));
                    respond(respond_error(error, request.get(),
                                          error.code == ErrorCode::shutting_down ? std::optional(5) : std::nullopt));
                    return nullptr;
                }});
}

}  // namespace hotmic::server
