/// A connection of EchoPanel's live captions: up to two sources at once, each a stream of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "audio/pcm.hpp"
#include "hotmic/error.hpp"
#include "hotmic/live_stream.hpp"
#include "hotmic/units.hpp"
#include "server/clients.hpp"
#include "server/context.hpp"
#include "server/echopanel_wire.hpp"
#include "server/live_input.hpp"

namespace hotmic::server {

/// Use on the connection's loop only. It waits for `start`, then takes audio until `stop` or the server's end, and ends
/// with a summary of all finals.
class LiveListener final : public SocketSession, public std::enable_shared_from_this<LiveListener> {
public:
    /// `connection`: its id, until the client names another.
    LiveListener(Context& context, std::shared_ptr<Socket> socket, std::string connection)
        : context_(context), socket_(std::move(socket)), connection_id_(std::move(connection)) {}

    /// `share`: of the streams that its key may have open.
    void begin(Clients::Ticket share);
    /// Instead of beginning, or for want of room.
    void refuse(const std::string& message, Close code);

    void on_text(std::string_view text) override;
    void on_binary(std::string_view bytes) override;
    void on_shutdown() override { stop(); }

private:
    /// What a client says, read without looking at the session.
    struct Message {
        std::optional<Error> problem{};
        wire::LiveListenerMessage told{};
        std::optional<Result<std::vector<std::byte>>> audio{};
    };
    struct Source {
        std::shared_ptr<LiveInput> input;
        bool ended = false;
        Seconds dropped_before{};  // at the last metrics
        Seconds worst_backlog{};
        bool pressed = false;  // backpressure has been told and holds
    };

    [[nodiscard]] static Message read(std::string_view text);
    void take(Message message);
    [[nodiscard]] Result<void> take_audio(Message message);
    [[nodiscard]] Result<void> take_audio(const std::string& name, std::vector<std::byte> bytes);
    [[nodiscard]] Result<void> handle(const wire::LiveListenerMessage& message);
    [[nodiscard]] Result<void> start(const wire::LiveListenerMessage& message);
    void stop();
    void take_event(const std::string& name, const LiveEvent& event);
    void summarize_if_done();
    void summarize();

    wire::AsrText tell_text(const std::string& type, const std::string& source, const LiveEvent& event);
    void tell_metrics();
    void tell_metrics(const std::string& name, Source& source);
    void tell_status(wire::Status status) const;
    void complain(const Error& error) const;
    /// Sets the ids of the session, which every message has.
    void stamp(auto& message) const;
    void send(auto message) const;

    Context& context_;
    const std::shared_ptr<Socket> socket_;
    Clients::Ticket share_;
    std::string session_id_;
    std::string attempt_id_;
    std::string connection_id_;
    wire::ClientFeatures features_;
    audio::PcmFormat format_;
    std::map<std::string, Source> sources_;
    std::map<std::string, std::deque<std::uint64_t>> recent_drops_;  // frames in each of the last seconds
    std::vector<wire::AsrText> transcript_;
    std::string level_ = "NORMAL";
    bool started_ = false;
    bool stopped_ = false;
    bool summarized_ = false;
    bool third_told_ = false;
};

}  // namespace hotmic::server
