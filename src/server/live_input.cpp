#include "server/live_input.hpp"

#include <drogon/utils/Utilities.h>

#include <utility>

namespace hotmic::server {

Result<std::unique_ptr<LiveInput>> LiveInput::open(Context& context, const std::string& client,
                                                   const std::string& model, const audio::PcmFormat& format,
                                                   LiveOptions options, Post post, std::weak_ptr<void> owner,
                                                   OnEvent on_event) {
    auto decoder = audio::PcmDecoder::open(format);
    if (!decoder) return std::unexpected(std::move(decoder).error());
    auto asked = context.catalog.find(model);
    if (!asked) return std::unexpected(std::move(asked).error());
    auto share = context.clients.admit(client, Clients::What::stream);
    if (!share) return std::unexpected(std::move(share).error());

    if (options.endpointing) options.endpointing->vad_model = context.vad_model;
    auto leases = [&context, asked = *asked](std::string lost, std::function<void(Result<Lease>)> then) {
        auto& serving = *context.catalog.serving(asked)->model;
        serving.when_ready(in(serving.options().queue_timeout), std::move(then), std::move(lost));
    };
    auto sink = [post = std::move(post), owner = std::move(owner),
                 on_event = std::make_shared<OnEvent>(std::move(on_event))](const LiveEvent& event) {
        post([owner, on_event, event] {
            if (const auto alive = owner.lock()) (*on_event)(event);
        });
    };
    auto stream = context.live.open(std::move(leases), std::move(options), std::move(sink));
    if (!stream) return std::unexpected(std::move(stream).error());
    return std::unique_ptr<LiveInput>(
        new LiveInput(*std::move(share), *std::move(decoder), *std::move(asked), *std::move(stream)));
}

Result<void> LiveInput::push(std::span<const std::byte> bytes) {
    samples_.clear();
    if (auto decoded = decoder_.decode(bytes, samples_); !decoded) return decoded;
    seconds_ += seconds_of(samples_.size());
    stream_->push(samples_);
    return {};
}

Result<std::vector<std::byte>> decode_base64(std::string_view text, const std::string& field) {
    if (!text.empty() && !drogon::utils::isBase64(text)) {
        return fail(ErrorCode::invalid_request, field + " is not base64", "encode the raw audio bytes as base64",
                    field);
    }
    const auto decoded = drogon::utils::base64DecodeToVector(text);
    const auto bytes = std::as_bytes(std::span(decoded));
    return std::vector(bytes.begin(), bytes.end());
}

}  // namespace hotmic::server
