#include "server/live_input.hpp"

#include <openssl/evp.h>
#include <spdlog/spdlog.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "audio/pcm.hpp"
#include "hotmic/audio.hpp"
#include "hotmic/error.hpp"
#include "hotmic/lease.hpp"
#include "hotmic/live_stream.hpp"
#include "hotmic/state.hpp"
#include "hotmic/units.hpp"
#include "server/context.hpp"
#include "server/http/message.hpp"

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

    if (options.endpointing) {
        options.endpointing->vad_model = context.vad_model;
        options.endpointing->blank_after_words = context.config.server.blank_after_words;
        options.endpointing->blank_without_words = context.config.server.blank_without_words;
    }
    auto leases = [&context, asked = *asked](std::string lost, std::function<void(Result<Lease>)> then) {
        auto& serving = *context.catalog.serving(asked)->model;
        serving.when_ready(deadline_in(serving.options().queue_timeout), std::move(then), std::move(lost));
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
    received_ = received_.load() + seconds_of(samples_.size());
    stream_->push(samples_);
    if (samples_.capacity() > kMostOnLoop) samples_ = {};
    return {};
}

void note_opened(const Context& context, const http::Request& request) {
    constexpr int kSwitchingProtocols = 101;
    spdlog::info("session opened request={} caller={} path={:?}", request.id,
                 request.caller.empty() ? "-" : request.caller, request.path);
    if (!request.caller.empty()) context.metrics.request_of_key(request.caller, kSwitchingProtocols);
}

Result<std::vector<std::byte>> decode_base64(std::string_view text, const std::string& field) {
    const auto refuse = [&] {
        return fail(ErrorCode::invalid_request, field + " is not base64", "encode the raw audio bytes as base64",
                    field);
    };
    if (text.starts_with("data:")) {
        const auto comma = text.find(',');
        if (comma == text.npos || !text.substr(0, comma).ends_with(";base64")) return refuse();
        text.remove_prefix(comma + 1);
    }
    // Line breaks as MIME has them, the alphabet of URLs, and no padding: what encoders do.
    std::string plain;
    plain.reserve(text.size() + 3);
    for (const char c : text) {
        if (c == '\r' || c == '\n' || c == ' ' || c == '\t') continue;
        plain += c == '-' ? '+' : c == '_' ? '/' : c;
    }
    while (plain.ends_with('=')) plain.pop_back();
    const auto padding = (4 - plain.size() % 4) % 4;
    if (padding == 3 || plain.contains('=')) return refuse();
    plain.append(padding, '=');
    std::vector<std::byte> bytes(plain.size() / 4 * 3);
    const int size =
        EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                        reinterpret_cast<const unsigned char*>(plain.data()), static_cast<int>(plain.size()));
    if (size < 0) return refuse();
    bytes.resize(static_cast<std::size_t>(size) - padding);
    return bytes;
}

}  // namespace hotmic::server
