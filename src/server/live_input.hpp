/// One live source of a connection: bytes in, what is heard out, all on the connection's loop.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "audio/pcm.hpp"
#include "hotmic/error.hpp"
#include "hotmic/live_stream.hpp"
#include "hotmic/units.hpp"
#include "server/catalog.hpp"
#include "server/clients.hpp"
#include "server/context.hpp"
#include "server/http/message.hpp"

namespace hotmic::server {

/// Most bytes of a message that are looked at on the connection's loop: a second of audio. What is larger is taken
/// `apart`, so that nobody else's connection waits for it.
inline constexpr std::size_t kMostOnLoop = 64 << 10;

/// Does `work` on a thread for what takes long, and then gives what it made to `then` on the connection's loop, unless
/// the connection is gone or `owner`. Until then nothing more is read from the connection, a Socket or a Stream, and
/// the message that is being told stays where it is. False where too much is waiting already.
template <class Connection, class Work, class Then>
[[nodiscard]] bool apart(Context& context, Connection& connection, std::weak_ptr<void> owner, Work work, Then then) {
    return context.hearing.submit([work = std::move(work), then = std::move(then), owner = std::move(owner),
                                   post = connection.poster(), hold = connection.hold()]() mutable {
        auto made = std::make_shared<decltype(work())>(work());
        post([made, then = std::move(then), owner, hold = std::move(hold)]() mutable {
            if (const auto alive = owner.lock()) then(std::move(*made));
        });
    });
}
[[nodiscard]] inline Error too_much_to_hear() {
    return {ErrorCode::server_busy, "too much audio is waiting to be looked at", "try again later"};
}

/// Use on the connection's loop only, `push` excepted; `on_event` runs there, too.
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

    /// Any thread, one at a time. Errors: internal.
    [[nodiscard]] Result<void> push(std::span<const std::byte> bytes);
    [[nodiscard]] LiveStream& stream() noexcept { return *stream_; }
    /// Who was asked, and serves unless it cannot.
    [[nodiscard]] const EntryPtr& model() const noexcept { return model_; }
    /// Seconds of audio that have come in.
    [[nodiscard]] Seconds received() const noexcept { return received_; }

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
    std::atomic<Seconds> received_{};
};

/// A WebSocket for live audio has been opened: logged, with the name of its key, and counted for that.
void note_opened(const Context& context, const http::Request& request);

/// Text of a base64 field as bytes. Errors: invalid_request.
[[nodiscard]] Result<std::vector<std::byte>> decode_base64(std::string_view text, const std::string& field);

}  // namespace hotmic::server
