/// A connection of OpenAI's Realtime API, as far as it transcribes.
/// https://platform.openai.com/docs/guides/realtime-transcription
#pragma once

#include <cstddef>
#include <cstdint>
#include <glaze/json/generic.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hotmic/error.hpp"
#include "hotmic/live_stream.hpp"
#include "hotmic/units.hpp"
#include "server/clients.hpp"
#include "server/context.hpp"
#include "server/live_input.hpp"
#include "server/realtime_config.hpp"
#include "server/realtime_events.hpp"

namespace hotmic::server {

/// Use on the connection's loop only.
///
/// The session has one stream at a time. A change of its options begins another, while the one before ends what it has
/// begun; to the client they are one, on one clock, and their items follow each other.
class RealtimeSession final : public SocketSession, public std::enable_shared_from_this<RealtimeSession> {
public:
    RealtimeSession(Context& context, std::shared_ptr<Socket> socket, std::string id);

    /// `model`: what the URL names, for transcription where it is one of ours. `share`: of the streams that its key may
    /// have open.
    void begin(const std::string& model, Clients::Ticket share);
    /// Instead of beginning.
    void refuse_connection(const Error& error, Close code);

    void on_text(std::string_view text) override;
    void on_binary(std::string_view bytes) override;
    void on_shutdown() override;

private:
    /// What a client says, read without looking at the session.
    struct Message {
        std::optional<Error> problem{};
        std::string id{};
        std::string type{};
        glz::generic event{};
        std::optional<Result<std::vector<std::byte>>> audio{};  // of an append
    };
    using InputPtr = std::shared_ptr<LiveInput>;

    [[nodiscard]] static Message read(std::string_view text);
    void take(Message message);
    [[nodiscard]] Result<void> handle(const std::string& type, const glz::generic& event);
    [[nodiscard]] Result<void> update(const std::string& type, const glz::generic& event);
    [[nodiscard]] Result<void> append(Message message);
    [[nodiscard]] Result<void> commit();
    [[nodiscard]] Result<void> clear();
    [[nodiscard]] Result<void> open();
    void retire();
    void refuse(const Error& error) { events_.refused(error, event_id_); }
    /// `series`: which of the streams that followed each other in this session.
    void take_event(int series, const LiveEvent& event);
    void forget_stream(int series);

    Context& context_;
    const std::shared_ptr<Socket> socket_;
    const std::string id_;
    Clients::Ticket share_;
    RealtimeConfig config_;
    RealtimeEvents events_;
    InputPtr input_;
    std::map<int, InputPtr> retired_;   // streams that end what they have begun
    std::map<int, Seconds> before_of_;  // audio before each stream
    std::map<std::pair<int, std::uint64_t>, RealtimeEvents::Turn> turns_;
    std::string event_id_;  // of the client's event that is being handled
    Seconds before_{};
    Seconds taken_{};  // of the current stream, what was committed or cleared
    int series_ = 0;
    bool ending_ = false;
};

}  // namespace hotmic::server
