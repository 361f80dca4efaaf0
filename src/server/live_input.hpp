/// One live source of a connection: bytes in, what is heard out, all on the connection's loop.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "audio/pcm.hpp"
#include "hotmic/live_stream.hpp"
#include "server/context.hpp"

namespace hotmic::server {

/// Use on the connection's loop only; `on_event` runs there, too.
class LiveInput {
public:
    using OnEvent = std::function<void(const LiveEvent&)>;
    /// Runs a task on the connection's loop, unless the connection is gone. Any thread.
    using Post = std::function<void(std::function<void()>)>;

    /// `client`: whose stream it is, by address. `owner` keeps `on_event` callable: when it is gone, nothing is told
    /// any more. Errors: unsupported_parameter (the format), model_not_found, queue_full.
    [[nodiscard]] static Result<std::unique_ptr<LiveInput>> open(Context& context, const std::string& client,
                                                                 const std::string& model,
                                                                 const audio::PcmFormat& format, LiveOptions options,
                                                                 Post post, std::weak_ptr<void> owner,
                                                                 OnEvent on_event);

    /// Errors: internal.
    [[nodiscard]] Result<void> push(std::span<const std::byte> bytes);
    [[nodiscard]] LiveStream& stream() noexcept { return *stream_; }
    /// Who was asked, and serves unless it cannot.
    [[nodiscard]] const EntryPtr& model() const noexcept { return model_; }
    /// Seconds of audio that have come in.
    [[nodiscard]] double seconds() const noexcept { return seconds_; }

private:
    LiveInput(Clients::Ticket share, audio::PcmDecoder decoder, EntryPtr model, std::unique_ptr<LiveStream> stream)
        : share_(std::move(share)),
          decoder_(std::move(decoder)),
          model_(std::move(model)),
          stream_(std::move(stream)) {}

    Clients::Ticket share_;  // first, so given back last: when the stream is gone
    audio::PcmDecoder decoder_;
    EntryPtr model_;
    std::unique_ptr<LiveStream> stream_;
    std::vector<float> samples_;
    double seconds_ = 0;
};

/// Text of a base64 field as bytes. Errors: invalid_request.
[[nodiscard]] Result<std::vector<std::byte>> decode_base64(std::string_view text, const std::string& field);

}  // namespace hotmic::server
